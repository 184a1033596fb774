import { readFileSync } from 'node:fs'

/**
 * What the fuzzing client found in one case: how the server behaved, and how it closed the connection.
 *
 * @typedef {object} Verdict
 * @property {string} behavior
 * @property {string} behaviorClose
 */

/** @typedef {Record<string, Verdict>} Verdicts by the case's number, such as 6.4.1 */

/** The same rank: equally good. INFORMATIONAL is the verdict of cases that have no right answer. */
const ranks = new Map([
  ['OK', 0],
  ['INFORMATIONAL', 0],
  ['NON-STRICT', 1],
  ['UNIMPLEMENTED', 2],
  ['WRONG CODE', 3],
  ['UNCLEAN', 3],
  ['FAILED BY CLIENT', 3],
  ['FAILED', 4],
])

/** @param {string} word */
const rank = (word) => ranks.get(word) ?? 5

/** The verdict on a case that was to be run and is not in the report. */
const missing = { behavior: 'NOT RUN', behaviorClose: 'NOT RUN' }

/**
 * @param {string} file index.json, which the fuzzing client writes
 * @param {string} agent
 * @returns {Verdicts}
 */
export const readVerdicts = (file, agent) => JSON.parse(readFileSync(file, 'utf8'))[agent] ?? {}

/**
 * How many cases got each verdict, the best first.
 *
 * @param {Verdicts} verdicts
 * @param {keyof Verdict} [aspect]
 * @returns {[string, number][]}
 */
export function count(verdicts, aspect = 'behavior') {
  /** @type {Map<string, number>} */
  const counts = new Map()
  for (const verdict of Object.values(verdicts)) counts.set(verdict[aspect], (counts.get(verdict[aspect]) ?? 0) + 1)
  return [...counts].toSorted(([a], [b]) => rank(a) - rank(b) || (a < b ? 1 : -1))
}

/** @param {Verdict} verdict */
const both = ({ behavior, behaviorClose }) =>
  behavior === behaviorClose ? behavior : `${behavior}, close ${behaviorClose}`

/**
 * Cases that send a good message and at once a frame that breaks the protocol. The echo of an app is on its way when the
 * connection has to be closed: NON-STRICT, as for every server whose apps are asynchronous. `ws` echoes before it reads on.
 */
export const mayComeLate = ['3.2', '3.3', '3.4', '4.1.3', '4.1.4', '4.1.5', '4.2.3', '4.2.4', '4.2.5', '5.15']

/**
 * @param {string} id
 * @param {Verdict} verdict
 */
const isLateOnly = (id, { behavior, behaviorClose }) =>
  mayComeLate.includes(id) && behavior === 'NON-STRICT' && behaviorClose === 'OK'

/**
 * The cases in which one server is worse than the other.
 *
 * @param {Verdicts} verdicts
 * @param {Verdicts} baseline
 * @returns {{ id: string, is: string, wanted: string }[]}
 */
export function worseThan(verdicts, baseline) {
  return Object.entries(baseline)
    .map(([id, wanted]) => ({ id, wanted, is: verdicts[id] ?? missing }))
    .filter(
      ({ id, is, wanted }) =>
        !isLateOnly(id, is) &&
        (rank(is.behavior) > rank(wanted.behavior) || rank(is.behaviorClose) > rank(wanted.behaviorClose)),
    )
    .map(({ id, is, wanted }) => ({ id, is: both(is), wanted: both(wanted) }))
}
