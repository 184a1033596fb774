// npm run agent-lambda: sets up what is missing, then has all of examples/agent-lambda on this machine, until Ctrl+C.
import { setUpAgentLambda } from './lib/agent-lambda.mjs'
import { main } from './lib/problem.mjs'
import { runTypeScript } from './lib/run-typescript.mjs'
import { build } from './lib/setup.mjs'

await main(async () => {
  await build('release')
  await setUpAgentLambda()
  return runTypeScript('examples/agent-lambda/local/start.ts', [])
})
