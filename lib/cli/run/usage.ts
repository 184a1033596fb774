/** The help of `amphis run`. */
export const RUN_USAGE = `Usage: amphis run [--python PATH] [python options] SCRIPT [arguments]
       amphis run [--python PATH] [python options] -m MODULE [arguments]
       amphis run [--python PATH] [python options] -c CODE [arguments]
       amphis -m MODULE [arguments]
       amphis -c CODE [arguments]

Runs Python as the python program does, inside this Node.js process.
Without a script, Python reads it from standard input, or asks for input in a terminal.

Options:
      --python PATH  interpreter or virtual environment (default: the nearest)
  -h, --help         print this help

Python's own options, such as -X dev, -W error, -u, -B, -O, -i, come before the script.`
