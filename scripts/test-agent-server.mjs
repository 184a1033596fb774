// npm run test:agent-server [-- --quick] [-- FILE …]: the tests of examples/agent-server, with the real agent SDKs before a
// stand-in of the Messages API. `--quick`, as `npm test` has it, leaves out what takes minutes: faults, limits, images.
import { parseArgs } from 'node:util'
import { agentServer, agentServerTests } from './lib/agent-server.mjs'
import { agentServerImage, buildAgentServerImage } from './lib/agent-server-image.mjs'
import { ava } from './lib/checks.mjs'
import { containersForTests } from './lib/containers.mjs'
import { main } from './lib/problem.mjs'
import { run } from './lib/run.mjs'
import { say } from './lib/say.mjs'
import { complete, setUp } from './lib/setup.mjs'

/** What a change of the server breaks first. */
const quick = ['access', 'page', 'parts', 'permissions', 'turns'].map(
  (name) => `examples/agent-server/tests/${name}.spec.ts`,
)

await main(async () => {
  const { values, positionals } = parseArgs({ options: { quick: { type: 'boolean' } }, allowPositionals: true })
  await setUp()
  await complete(values.quick ? agentServer : [...agentServer, agentServerTests])
  const files = values.quick ? quick : positionals
  const image = await imageFor(files)
  try {
    return (await ava(['--config', 'ava.agent-server.config.mjs', ...files], image?.env)).code
  } finally {
    await image?.release()
  }
})

/** Builds the image once for all files that run it, and holds the engine until they are done. @param {string[]} files */
async function imageFor(files) {
  if (files.length > 0 && !files.some((file) => /(?:image|compose)\.spec\.ts$/.test(file))) return undefined
  const engine = await containersForTests(say)
  if (!engine) return undefined
  say('Building the image of the agent server')
  await buildAgentServerImage(engine)
  const release = async () => {
    await run('docker', ['image', 'rm', '--force', agentServerImage], { env: engine.env, quiet: true })
    engine.release()
  }
  return { env: { AGENT_SERVER_IMAGE: agentServerImage }, release }
}
