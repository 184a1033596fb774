// npm run agent-server: sets up what is missing, then serves examples/agent-server. What it is told by its environment is in
// examples/agent-server/docs/DEPLOYMENT.md.
import { agentServer } from './lib/agent-server.mjs'
import { inRoot } from './lib/paths.mjs'
import { main } from './lib/problem.mjs'
import { run } from './lib/run.mjs'
import { build, complete } from './lib/setup.mjs'

await main(async () => {
  await build('release')
  await complete(agentServer)
  // A terminal sends Ctrl+C to both; the server ends by it, and so does this.
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => {})
  const { code } = await run('sh', [inRoot('examples/agent-server/scripts/start.sh')], { interactive: true })
  return code
})
