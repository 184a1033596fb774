import { inColour } from './run.mjs'

// Plain escape codes: this must still load on a Node too old to have `util.styleText`, to say that it is too old.
/** @param {number} code */
const paint = (code) => (/** @type {string} */ text) => (inColour ? `\u001B[${code}m${text}\u001B[0m` : text)

export const bold = paint(1)
export const dim = paint(2)
export const red = paint(31)
export const green = paint(32)
export const yellow = paint(33)

/** @param {string} line */
export function say(line) {
  console.log(line)
}

/**
 * Announces work that is about to begin.
 *
 * @param {string} what
 */
export function heading(what) {
  say(`${green('●')} ${bold(what)}`)
}

/** @param {number} milliseconds */
export function duration(milliseconds) {
  if (milliseconds < 1000) return `${Math.round(milliseconds)} ms`
  const seconds = milliseconds / 1000
  if (seconds < 60) return `${seconds.toFixed(1)} s`
  return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`
}
