import { stripVTControlCharacters } from 'node:util'

/** @typedef {{ passed: number, failed: number, skipped: number }} Totals */

/**
 * Adds up the first number of every match.
 *
 * @param {string} text
 * @param {RegExp} pattern
 */
const sum = (text, pattern) => [...text.matchAll(pattern)].reduce((total, match) => total + Number(match[1]), 0)

/**
 * cargo prints a line for each test binary.
 *
 * @param {string} output
 * @returns {Totals}
 */
export function cargoTotals(output) {
  const text = stripVTControlCharacters(output)
  return {
    passed: sum(text, /^test result: .*?(\d+) passed;/gm),
    failed: sum(text, /^test result: .*? (\d+) failed;/gm),
    skipped: sum(text, /^test result: .*? (\d+) ignored;/gm),
  }
}

/**
 * ava's closing lines. When something failed they leave out how much passed: the ticks are counted then.
 *
 * @param {string} output
 * @returns {Totals}
 */
export function avaTotals(output) {
  const text = stripVTControlCharacters(output)
  const closing = text.slice(text.lastIndexOf('─'))
  return {
    passed: sum(closing, /^\s*(\d+) tests? passed/gm) || [...text.matchAll(/^\s*✔ /gm)].length,
    failed: sum(
      closing,
      /^\s*(\d+) (?:(?:tests?|hooks?) failed|unhandled rejections?|uncaught exceptions?|tests? remained pending)/gm,
    ),
    skipped: sum(closing, /^\s*(\d+) tests? (?:skipped|todo)/gm),
  }
}

/**
 * Playwright's closing lines.
 *
 * @param {string} output
 * @returns {Totals}
 */
export function playwrightTotals(output) {
  const text = stripVTControlCharacters(output)
  return {
    passed: sum(text, /^\s*(\d+) (?:passed|flaky)/gm),
    failed: sum(text, /^\s*(\d+) (?:failed|interrupted|errors? (?:was|were) not a part of any test)/gm),
    skipped: sum(text, /^\s*(\d+) (?:skipped|did not run)/gm),
  }
}
