// npm run test:runtimes [-- __test__/js-hostile.spec.ts]: the tests of isolated runtimes, as often as it takes to trust
// them: two hundred exits under load, ten thousand runtimes, every hostile program both ways. Half an hour.
import { ava } from './lib/checks.mjs'
import { main } from './lib/problem.mjs'
import { setUp } from './lib/setup.mjs'

await main(async () => {
  const args = process.argv.slice(2)
  await setUp()
  const files = args.some((word) => word.endsWith('.ts')) ? [] : ['__test__/js-*.spec.ts']
  const { code } = await ava(['--serial', '--concurrency=1', '--timeout=30m', ...files, ...args], {
    AMPHIS_TEST_RUNTIMES: 'thorough',
  })
  return code
})
