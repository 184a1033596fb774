// npm run test:matrix [-- 3.12 asyncio __test__/handler.spec.ts]: ava on every Python found on the machine, on both
// event loops; what Debian has and the machine has not, in a root of Debian's. Versions, loops and test files narrow it
// down.
import { ava, avaArguments } from './lib/checks.mjs'
import { debianPythons, debianRoot, obstacle, runInDebian } from './lib/debian-root.mjs'
import { Problem, main } from './lib/problem.mjs'
import { closingLine, runAll, summarise } from './lib/report.mjs'
import { dim, say, yellow } from './lib/say.mjs'
import { complete, setUp } from './lib/setup.mjs'
import { completeTestEnvironment, findVersion, testEnvironment } from './lib/test-environment.mjs'
import { avaTotals } from './lib/test-totals.mjs'

const allVersions = ['3.10', '3.11', '3.12', '3.13', ...debianPythons]
const allLoops = ['uvloop', 'asyncio']

/**
 * Where a version can be tested, with its environment complete.
 *
 * @param {string} version
 * @returns {Promise<{ where: string, ava: typeof ava } | string>} or why nowhere
 */
async function homeOf(version) {
  const python = await findVersion(version)
  if (typeof python === 'string') {
    await completeTestEnvironment(version, python)
    return { where: '', ava }
  }
  const missing = python?.message ?? `Python ${version} is not on this machine`
  if (!debianPythons.includes(version)) return missing
  const hindrance = await obstacle(version)
  if (hindrance) return `${missing}: ${hindrance}`
  await complete([debianRoot])
  const { code } = await runInDebian(['scripts/test-environment.mjs', version], 'set-up')
  if (code !== 0) throw new Problem(`the environment of Python ${version} could not be made`, 'the reason is above')
  return { where: ', in Debian sid', ava: (args, env = {}) => runInDebian(avaArguments(args), 'tests', env) }
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
    const home = await homeOf(version)
    if (typeof home === 'string') {
      skipped.push(home)
      continue
    }
    for (const loop of loops.length > 0 ? loops : allLoops) {
      const env = { AMPHIS_TEST_PYTHON: testEnvironment(version), AMPHIS_TEST_LOOP: loop }
      checks.push({
        name: `Python ${version} ${loop}${home.where}`,
        run: () => home.ava(files, env),
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
