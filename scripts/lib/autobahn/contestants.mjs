/**
 * A server that the fuzzing client is let loose on.
 *
 * @typedef {object} Contestant
 * @property {string} name of its report, too
 * @property {string} title
 * @property {'ws' | 'amphis'} kind
 * @property {boolean} deflate
 */

/** @type {Contestant[]} */
export const contestants = [
  { name: 'ws', title: 'ws', kind: 'ws', deflate: false },
  { name: 'amphis', title: 'amphis', kind: 'amphis', deflate: false },
  { name: 'ws-deflate', title: 'ws, permessage-deflate', kind: 'ws', deflate: true },
  { name: 'amphis-deflate', title: 'amphis, permessage-deflate', kind: 'amphis', deflate: true },
]

/**
 * Each server of amphis, and the one that it is measured by.
 *
 * @type {[string, string][]}
 */
export const pairs = [
  ['amphis', 'ws'],
  ['amphis-deflate', 'ws-deflate'],
]

const categories = ['1.*', '2.*', '3.*', '4.*', '5.*', '6.*', '7.*', '9.*', '10.*', '12.*', '13.*']

/** @param {string} pattern */
const isCompression = (pattern) => /^1[23]\./.test(pattern)

/**
 * The cases that say something about a server: without permessage-deflate those of compression are not implemented.
 *
 * @param {Contestant} contestant
 * @param {string[]} [patterns] those asked for; default: all
 */
export function casesFor({ deflate }, patterns = categories) {
  return deflate ? patterns : patterns.filter((pattern) => !isCompression(pattern))
}
