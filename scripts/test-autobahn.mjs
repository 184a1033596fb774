// npm run test:autobahn [-- --cases 1.*,6.4.* --fresh --save]: the fuzzing client of the Autobahn test suite against
// amphis and against bare `ws`; fails where amphis is the worse of the two. All cases take about half an hour. `--save`
// writes docs/autobahn.md. What `ws` got is kept, and asked for again only when its version has changed, or by `--fresh`.
import { readFileSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { casesFor, contestants } from './lib/autobahn/contestants.mjs'
import { startServer } from './lib/autobahn/echo-server.mjs'
import { findFuzzingClient, fuzz } from './lib/autobahn/fuzzing-client.mjs'
import { requirements } from './lib/autobahn/python27.mjs'
import { compare, counts, markdown } from './lib/autobahn/summary.mjs'
import { fingerprint, readStamp, writeStamp } from './lib/fingerprint.mjs'
import { inRoot } from './lib/paths.mjs'
import { Problem, main } from './lib/problem.mjs'
import { run } from './lib/run.mjs'
import { dim, green, heading, red, say } from './lib/say.mjs'
import { setUp } from './lib/setup.mjs'

/** @typedef {import('./lib/autobahn/contestants.mjs').Contestant} Contestant */
/** @typedef {import('./lib/autobahn/verdicts.mjs').Verdicts} Verdicts */

const folder = inRoot('.cache/autobahn')
const page = inRoot('docs/autobahn.md')

/** @param {string} name */
const packageVersion = (name) => JSON.parse(readFileSync(inRoot('node_modules', name, 'package.json'), 'utf8')).version

const versions = {
  amphis: JSON.parse(readFileSync(inRoot('package.json'), 'utf8')).version,
  ws: packageVersion('ws'),
  'Node.js': process.versions.node,
  autobahntestsuite: /^autobahntestsuite==(.*)$/m.exec(readFileSync(inRoot(requirements), 'utf8'))?.[1] ?? '',
}

function readOptions() {
  try {
    const { values } = parseArgs({
      options: { cases: { type: 'string' }, fresh: { type: 'boolean' }, save: { type: 'boolean' } },
    })
    if (values.cases !== undefined && values.save) {
      throw new Problem('--save needs all cases', 'leave out --cases')
    }
    return { ...values, cases: values.cases?.split(',').filter((pattern) => pattern !== '') }
  } catch (error) {
    if (error instanceof Problem) throw error
    const message = error instanceof Error ? error.message : String(error)
    throw new Problem(message, 'the options are --cases 1.*,6.4.*, --fresh and --save')
  }
}

/** @param {string} text shown in place of the last one, to a person only */
function progress(text) {
  if (process.stdout.isTTY) process.stdout.write(`\r\u001B[K${text}`)
}

/**
 * @param {Contestant} contestant
 * @param {string[]} cases
 * @param {Awaited<ReturnType<typeof findFuzzingClient>>} client
 */
async function measure(contestant, cases, client) {
  const server = await startServer(contestant)
  try {
    const { name } = contestant
    const onCase = (/** @type {number} */ done, /** @type {number} */ of, /** @type {string} */ id) =>
      progress(dim(`  ${done} of ${of}  ${id}`))
    return await fuzz(client, { agent: name, port: server.port, cases, folder: `${folder}/${name}`, onCase })
  } finally {
    progress('')
    await server.stop()
  }
}

/** @param {Contestant} contestant */
const keptFile = ({ name }) => `${folder}/${name}.json`

/** What the verdicts on `ws` depend on. */
const madeFrom = () => fingerprint(['conformance/autobahn'], versions.ws, versions['Node.js'])

/**
 * @param {Contestant} contestant
 * @param {Verdicts} verdicts on all cases
 */
const keep = (contestant, verdicts) => writeStamp(keptFile(contestant), { madeFrom: madeFrom(), verdicts })

/** @param {Contestant} contestant */
function keptVerdicts(contestant) {
  const kept = /** @type {{ madeFrom: string, verdicts: Verdicts } | undefined} */ (readStamp(keptFile(contestant)))
  return kept?.madeFrom === madeFrom() ? kept.verdicts : undefined
}

await main(async () => {
  const { cases: patterns, fresh, save } = readOptions()
  await setUp()
  const client = await findFuzzingClient()

  const findings = []
  for (const contestant of contestants) {
    const cases = casesFor(contestant, patterns)
    if (cases.length === 0) continue
    heading(contestant.title)
    const kept = patterns || fresh || contestant.kind !== 'ws' ? undefined : keptVerdicts(contestant)
    const verdicts = kept ?? (await measure(contestant, cases, client))
    if (!patterns && !kept) keep(contestant, verdicts)
    say(`  ${counts(verdicts)}${kept ? dim(', in an earlier run') : ''}`)
    findings.push({ contestant, verdicts })
  }
  if (findings.length === 0) throw new Problem('no case to run', 'give some with --cases 1.*,6.4.*, or leave it out')

  const comparisons = compare(findings)
  const worse = comparisons.flatMap(({ worse: cases, finding }) =>
    cases.map(({ id, is, wanted }) => ({ server: finding.contestant.title, case: id, amphis: is, ws: wanted })),
  )
  if (save) {
    writeFileSync(page, markdown(findings, versions))
    await run(inRoot('node_modules/.bin/prettier'), ['--write', '--log-level=warn', page])
  }
  if (worse.length > 0) {
    say(`\n${red('✖')} Worse than ws; the reports are in .cache/autobahn/:`)
    console.table(worse)
  }
  const compared = comparisons.reduce((total, { finding }) => total + Object.keys(finding.verdicts).length, 0)
  const mark = worse.length === 0 ? green('✔') : red('✖')
  say(`\n${mark} ${compared} cases compared: amphis is worse than ws in ${worse.length}`)
  say(`${compared - worse.length} passed, ${worse.length} failed`)
  return worse.length === 0 ? 0 : 1
})
