import { red, say } from './say.mjs'

/** Something a person can mend: shown as one line without a stack. */
export class Problem extends Error {
  /**
   * @param {string} what what is wrong, naming the thing
   * @param {string} remedy what to do about it
   */
  constructor(what, remedy) {
    super(`${what}: ${remedy}`)
    this.name = 'Problem'
    this.what = what
    this.remedy = remedy
  }
}

/** Several problems found at once, so that a machine is put right in one go. */
export class Problems extends Error {
  /** @param {Problem[]} problems */
  constructor(problems) {
    super(problems.map((problem) => problem.message).join('\n'))
    this.name = 'Problems'
    this.problems = problems
  }
}

/**
 * Runs a script's body; a problem ends it with its line and exit code 1.
 *
 * @param {() => Promise<number | void>} body resolves to the exit code, 0 when it is nothing
 */
export async function main(body) {
  try {
    process.exitCode = (await body()) ?? 0
  } catch (error) {
    const problems = error instanceof Problems ? error.problems : error instanceof Problem ? [error] : undefined
    if (!problems) throw error
    for (const problem of problems) say(`${red('✖')} ${problem.message}`)
    process.exitCode = 1
  }
}
