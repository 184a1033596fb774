// npm run build, npm run build:debug: the addon and lib/, whichever is out of date.
import { main } from './lib/problem.mjs'
import { green, say } from './lib/say.mjs'
import { build } from './lib/setup.mjs'

await main(async () => {
  const profile = process.argv.includes('--debug') ? 'debug' : 'release'
  await build(profile)
  say(`${green('✔')} built (${profile})`)
})
