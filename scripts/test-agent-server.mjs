// npm run test:agent-server [-- --quick] [-- FILE …]: the tests of examples/agent-server, with the real agent SDKs before a
// stand-in of the Messages API. `--quick`, as `npm test` has it, leaves out what takes minutes: faults, limits, images.
import { parseArgs } from 'node:util'
import { agentServer, agentServerTests } from './lib/agent-server.mjs'
import { ava } from './lib/checks.mjs'
import { main } from './lib/problem.mjs'
import { complete, setUp } from './lib/setup.mjs'

/** What a change of the server breaks first. */
const quick = ['access', 'page', 'permissions', 'turns'].map((name) => `examples/agent-server/tests/${name}.spec.ts`)

await main(async () => {
  const { values, positionals } = parseArgs({ options: { quick: { type: 'boolean' } }, allowPositionals: true })
  await setUp()
  await complete(values.quick ? agentServer : [...agentServer, agentServerTests])
  const files = values.quick ? quick : positionals
  const { code } = await ava(['--config', 'ava.agent-server.config.mjs', ...files])
  return code
})
