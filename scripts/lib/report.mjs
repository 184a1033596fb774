import { Problem } from './problem.mjs'
import { bold, dim, duration, green, heading, red, say } from './say.mjs'

/** @typedef {import('./checks.mjs').Check} Check */
/** @typedef {import('./test-totals.mjs').Totals} Totals */

/**
 * @typedef {object} Outcome
 * @property {string} name
 * @property {boolean} ok
 * @property {number} milliseconds
 * @property {Totals} [totals]
 * @property {string} output
 */

/** Lines of a failed check that are said again at the end: runners tell there what has failed. */
const LAST = 80

/**
 * Runs every check even when an earlier one failed, so that one run shows all there is to mend.
 *
 * @param {Check[]} checks
 * @returns {Promise<Outcome[]>}
 */
export async function runAll(checks) {
  /** @type {Outcome[]} */
  const outcomes = []
  for (const check of checks) {
    heading(check.name)
    const began = performance.now()
    const { code, output } = await attempt(check)
    const totals = check.totals?.(output)
    // A runner that exits with 0 and ran nothing has tested nothing.
    const ok = code === 0 && (!totals || (totals.failed === 0 && totals.passed > 0))
    outcomes.push({ name: check.name, ok, milliseconds: performance.now() - began, totals, output })
  }
  return outcomes
}

/** @param {Check} check */
async function attempt(check) {
  try {
    const result = await check.run()
    if (result.code === 127) say(`${red('✖')} ${result.output}: run \`npm run setup\``)
    return result
  } catch (error) {
    if (!(error instanceof Problem)) throw error
    say(`${red('✖')} ${error.message}`)
    return { code: 1, output: '' }
  }
}

/** @param {Totals} totals */
function count({ passed, failed, skipped }) {
  return `${passed} passed${failed ? `, ${failed} failed` : ''}${skipped ? `, ${skipped} skipped` : ''}`
}

/**
 * What has failed, then a line for each check: whoever sees but the end of a long log sees what there is to mend.
 *
 * @param {Outcome[]} outcomes
 */
export function summarise(outcomes) {
  const failed = outcomes.filter(({ ok, output }) => !ok && output !== '')
  if (outcomes.length > 1) {
    for (const { name, output } of failed) {
      say(`\n${red('✖')} ${bold(`The end of ${name}`)}`)
      say(output.trimEnd().split('\n').slice(-LAST).join('\n'))
    }
  }
  const width = Math.max(...outcomes.map(({ name }) => name.length))
  say(`\n${bold('Summary')}`)
  for (const { name, ok, milliseconds, totals } of outcomes) {
    const mark = ok ? green('✔') : red('✖')
    say(
      `  ${mark} ${name.padEnd(width)}  ${dim(duration(milliseconds).padStart(9))}${totals ? `  ${count(totals)}` : ''}`,
    )
  }
}

/**
 * One line for machines and people: the tests that ran, and as failures also the checks that failed without counting.
 *
 * @param {Outcome[]} outcomes
 */
export function closingLine(outcomes) {
  const total = { passed: 0, failed: 0, skipped: 0 }
  for (const { ok, totals } of outcomes) {
    total.passed += totals?.passed ?? 0
    total.failed += ok ? 0 : totals?.failed || 1
    total.skipped += totals?.skipped ?? 0
  }
  return `${total.passed} passed, ${total.failed} failed${total.skipped ? `, ${total.skipped} skipped` : ''}`
}
