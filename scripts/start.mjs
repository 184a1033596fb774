// npm start: sets up what is missing, then serves the demo until Ctrl+C.
import { main } from './lib/problem.mjs'
import { runTypeScript } from './lib/run-typescript.mjs'
import { setUpDemo } from './lib/setup.mjs'

await main(async () => {
  await setUpDemo()
  return runTypeScript('examples/express-fastapi/server.ts', process.argv.slice(2))
})
