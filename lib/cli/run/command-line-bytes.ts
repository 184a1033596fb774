// Arguments that are not UTF-8.
import { readFileSync } from 'node:fs'

/** What Node.js puts where an argument is not UTF-8. */
const REPLACEMENT = '\uFFFD'

/**
 * The last arguments of this process as the system gave them. Python can carry bytes that are not UTF-8, such as those
 * of an old file's name; in the strings of Node.js they are lost.
 *
 * @param args the arguments, as Node.js has decoded them
 */
export function commandLineBytes(args: readonly string[]): Buffer[] {
  return (args.some((word) => word.includes(REPLACEMENT)) && fromSystem(args)) || args.map((word) => Buffer.from(word))
}

/** Undefined where the system does not tell. */
function fromSystem(args: readonly string[]): Buffer[] | undefined {
  let all: Buffer
  try {
    all = readFileSync('/proc/self/cmdline')
  } catch {
    return undefined
  }
  const words: Buffer[] = []
  for (let start = 0; start < all.length;) {
    const end = all.indexOf(0, start)
    words.push(all.subarray(start, end))
    start = end + 1
  }
  const last = words.slice(-args.length)
  return last.every((word, index) => word.toString() === args[index]) ? last : undefined
}
