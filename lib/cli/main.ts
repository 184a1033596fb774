// The command line: which command it is, and its exit code.

/** Runs the command line; the outcome is in `process.exitCode`: 0, 1 for what went wrong, 2 for what was mistyped. */
export async function main(args: string[]): Promise<void> {
  try {
    await run(args)
  } catch (error) {
    const { report } = await import('./log/report.js')
    process.exitCode = report(error)
  }
}

// Each way imports what it needs itself: nobody waits for the rest.
async function run(args: string[]): Promise<void> {
  const [command, ...rest] = args
  if (command === 'init') {
    const { init } = await import('./init/main.js')
    process.exitCode = await init(rest)
    return
  }
  if (command === 'venv') {
    const { venv } = await import('./venv/main.js')
    process.exitCode = await venv(rest)
    return
  }
  if (command === 'types') {
    const { types } = await import('./types/main.js')
    process.exitCode = await types(rest)
    return
  }
  if (command === 'openapi') {
    const { openapi } = await import('./openapi/main.js')
    process.exitCode = await openapi(rest)
    return
  }
  const pythonArguments = pythonArgumentsOf(args)
  if (pythonArguments) {
    const { runPython } = await import('./run/main.js')
    process.exit(await runPython(pythonArguments))
  }
  const { serveCommand } = await import('./serve-command.js')
  await serveCommand(args)
}

/** The arguments of `amphis run`, which `-m` and `-c` are short for; undefined where it is another command. */
function pythonArgumentsOf(args: string[]): string[] | undefined {
  if (args[0] === 'run') return args.slice(1)
  return args[0] === '-m' || args[0] === '-c' ? args : undefined
}
