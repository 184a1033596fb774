// npm run setup: everything a developer needs, each part only if it is missing or out of date.
import { main } from './lib/problem.mjs'
import { green, say } from './lib/say.mjs'
import { setUp } from './lib/setup.mjs'

await main(async () => {
  await setUp()
  say(`${green('✔')} set up; \`npm start\` runs the demo, \`npm test\` runs everything`)
})
