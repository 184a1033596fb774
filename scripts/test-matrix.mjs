// npm run test:matrix [-- 3.12 asyncio __test__/handler.spec.ts]: ava on every Python found on the machine, on both
// event loops. Versions, loops and test files narrow it down.
import { ava } from './lib/checks.mjs'
import { inspectPython } from './lib/find-python.mjs'
import { inRoot, testRequirements } from './lib/paths.mjs'
import { Problem, main } from './lib/problem.mjs'
import { pythonPackages } from './lib/python-packages.mjs'
import { pythonCandidates } from './lib/python-candidates.mjs'
import { closingLine, runAll, summarise } from './lib/report.mjs'
import { dim, say, yellow } from './lib/say.mjs'
import { complete, setUp } from './lib/setup.mjs'
import { avaTotals } from './lib/test-totals.mjs'

const allVersions = ['3.10', '3.11', '3.12', '3.13', '3.14']
const allLoops = ['uvloop', 'asyncio']

/**
 * The first interpreter of a version that will do.
 *
 * @param {string} version
 * @returns {Promise<string | Problem | undefined>} undefined when there is none at all
 */
async function find(version) {
  /** @type {Problem | undefined} */
  let problem
  for (const candidate of pythonCandidates(version)) {
    const python = await inspectPython(candidate)
    if (python instanceof Problem) problem ??= python
    else if (python?.minor === version) return python.executable
  }
  return problem
}

await main(async () => {
  const words = process.argv.slice(2)
  const versions = allVersions.filter((version) => words.includes(version))
  const loops = allLoops.filter((loop) => words.includes(loop))
  const files = words.filter((word) => !allVersions.includes(word) && !allLoops.includes(word))

  await setUp()
  /** @type {import('./lib/checks.mjs').Check[]} */
  const checks = []
  /** @type {string[]} */
  const skipped = []
  for (const version of versions.length > 0 ? versions : allVersions) {
    const python = await find(version)
    if (typeof python !== 'string') {
      skipped.push(python ? python.message : `Python ${version} is not on this machine`)
      continue
    }
    const venv = inRoot('.venvs', version)
    await complete([pythonPackages(venv, testRequirements, python)])
    for (const loop of loops.length > 0 ? loops : allLoops) {
      checks.push({
        name: `Python ${version} ${loop}`,
        run: () => ava(files, { AMPHIS_TEST_PYTHON: venv, AMPHIS_TEST_LOOP: loop }),
        totals: avaTotals,
      })
    }
  }
  if (checks.length === 0) throw new Problem('no Python to test with', skipped.join('; '))

  const outcomes = await runAll(checks)
  summarise(outcomes)
  for (const reason of skipped) say(`  ${yellow('-')} ${dim(`left out: ${reason}`)}`)
  say(`\n${closingLine(outcomes)}`)
  return outcomes.every(({ ok }) => ok) ? 0 : 1
})
