// npm run bench: the release build against its peers; bench/README.md tells what can be asked for after `--`.
import { main } from './lib/problem.mjs'
import { runTypeScript } from './lib/run-typescript.mjs'
import { build } from './lib/setup.mjs'

await main(async () => {
  await build('release')
  return runTypeScript('bench/run.ts', process.argv.slice(2))
})
