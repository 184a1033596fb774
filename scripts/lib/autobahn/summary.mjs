import { count, mayComeLate, worseThan } from './verdicts.mjs'
import { pairs } from './contestants.mjs'

/**
 * @typedef {object} Finding
 * @property {import('./contestants.mjs').Contestant} contestant
 * @property {import('./verdicts.mjs').Verdicts} verdicts
 */

/**
 * @typedef {object} Comparison
 * @property {Finding} finding
 * @property {Finding} baseline
 * @property {ReturnType<typeof worseThan>} worse
 */

/**
 * Each server that was measured beside the one that it is measured by.
 *
 * @param {Finding[]} findings
 * @returns {Comparison[]}
 */
export function compare(findings) {
  const of = (/** @type {string} */ name) => findings.find(({ contestant }) => contestant.name === name)
  return pairs.flatMap(([name, baselineName]) => {
    const [finding, baseline] = [of(name), of(baselineName)]
    return finding && baseline ? [{ finding, baseline, worse: worseThan(finding.verdicts, baseline.verdicts) }] : []
  })
}

/**
 * @param {import('./verdicts.mjs').Verdicts} verdicts
 * @param {keyof import('./verdicts.mjs').Verdict} [aspect]
 */
export const counts = (verdicts, aspect) =>
  count(verdicts, aspect)
    .map(([verdict, number]) => `${number} ${verdict}`)
    .join(', ')

/** @param {Finding} finding */
function exceptions({ verdicts }) {
  const ids = Object.keys(verdicts).toSorted((a, b) => a.localeCompare(b, 'en', { numeric: true }))
  return count(verdicts)
    .filter(([verdict]) => verdict !== 'OK')
    .map(([verdict]) => `${verdict}: ${ids.filter((id) => verdicts[id]?.behavior === verdict).join(', ')}`)
    .join('; ')
}

/** @param {string[]} cells */
const row = (cells) => `| ${cells.join(' | ')} |`

/**
 * docs/autobahn.md.
 *
 * @param {Finding[]} findings
 * @param {Record<string, string>} versions
 */
export function markdown(findings, versions) {
  const worse = compare(findings).flatMap((comparison) => comparison.worse)
  const verdict =
    worse.length === 0
      ? 'Nowhere is amphis worse than `ws`, save for the late echoes explained below.'
      : `amphis is worse than \`ws\` in ${worse.length}: ${worse.map(({ id }) => id).join(', ')}.`
  return `# The Autobahn test suite

\`npm run test:autobahn\` lets the fuzzing client of the [Autobahn test suite](https://github.com/crossbario/autobahn-testsuite) loose on echo servers: amphis with an ASGI app (\`python.attach\` on \`node:http\`), and for comparison a bare [\`ws\`](https://github.com/websockets/ws), which amphis takes its framing from. ${verdict} \`npm run test:autobahn -- --save\` writes this page.

${new Date().toISOString().slice(0, 10)}: ${Object.entries(versions)
    .map(([name, version]) => `${name} ${version}`)
    .join(', ')}.

${row(['Server', 'Cases', 'Behaviour', 'Close'])}
${row(['---', '--:', '---', '---'])}
${findings
  .map(({ contestant, verdicts }) =>
    row([contestant.title, String(Object.keys(verdicts).length), counts(verdicts), counts(verdicts, 'behaviorClose')]),
  )
  .join('\n')}

Without permessage-deflate the cases of compression (12 and 13) are left out. What is not OK:

${findings.map((finding) => `- ${finding.contestant.title}: ${exceptions(finding) || 'nothing'}`).join('\n')}

NON-STRICT is allowed by the protocol; INFORMATIONAL is what has no right answer. Cases ${mayComeLate.join(', ')} send a good message and at once a frame that breaks the protocol: \`ws\` echoes the message before it reads on, while the echo of an app is still on its way when the connection has to be closed. There NON-STRICT does not count as worse; in every other case it does. Cases 9.3.1 to 9.4.2 have messages of up to 65,536 frames: \`ws\` takes 16,384 unless told otherwise, amphis 131,072.
`
}
