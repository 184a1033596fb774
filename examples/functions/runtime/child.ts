/** One slot: loads the handler and runs one invocation after another, as the supervisor says. */
import { fileURLToPath } from 'node:url'
import { invocationError, nodeHandler, pythonHandler, type Handler } from './loader.js'
import { endMark, type ChildMessage, type Invocation } from './messages.js'

const { FUNCTION_DIR = '/function', FUNCTION_HANDLER = 'index.handler', FUNCTION_RUNTIME = 'node' } = process.env
// A function that asks for its environment is not to find how it is run.
const shims = fileURLToPath(new URL('.', import.meta.url))

function tell(message: ChildMessage): void {
  process.send?.(message)
}

/** The supervisor reads to these marks: whatever the invocation wrote comes before. */
function endOutput(requestId: string): void {
  const mark = `${endMark(requestId)}\n`
  for (const stream of [process.stdout, process.stderr]) stream.write(mark)
}

async function run(handler: Handler, invocation: Invocation): Promise<void> {
  const { requestId } = invocation
  let message: ChildMessage
  try {
    message = { kind: 'result', requestId, body: await handler(invocation) }
  } catch (error) {
    message = { kind: 'error', requestId, error: invocationError(error) }
  }
  // The caller waits for this, and not for what was written.
  tell(message)
  endOutput(requestId)
}

process.on('disconnect', () => process.exit())
try {
  const load = FUNCTION_RUNTIME === 'python' ? pythonHandler : nodeHandler
  const handler = await load(FUNCTION_DIR, FUNCTION_HANDLER, shims)
  process.on('message', (invocation: Invocation) => void run(handler, invocation))
  tell({ kind: 'ready' })
} catch (error) {
  tell({ kind: 'failed', error: invocationError(error) })
}
