// node scripts/test-environment.mjs 3.14: the Python environment that the tests of one version run in. `npm run
// test:matrix` runs it where the version is at home.
import { main, Problem } from './lib/problem.mjs'
import { completeTestEnvironment, findVersion } from './lib/test-environment.mjs'

await main(async () => {
  const [version = ''] = process.argv.slice(2)
  const python = await findVersion(version)
  if (python instanceof Problem) throw python
  if (!python) throw new Problem(`Python ${version} is not here`, 'install it, or ask for another version')
  await completeTestEnvironment(version, python)
})
