// npm run bench:check: a short benchmark of the release build, against the floors in bench/floors.json.
import { main } from './lib/problem.mjs'
import { runTypeScript } from './lib/run-typescript.mjs'
import { build } from './lib/setup.mjs'

await main(async () => {
  await build('release')
  return runTypeScript('bench/check.ts', process.argv.slice(2))
})
