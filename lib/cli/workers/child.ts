// A worker process of `--workers`, started by `worker.ts`.
import { once } from 'node:events'
import { toMessage } from '../errors/error-message.js'
import { listenOn } from '../listen/listen.js'
import { serve } from '../serve/serve.js'
import { onHangUp } from '../serve/signals.js'
import { type FromWorker, LISTENING_DESCRIPTOR, type ToWorker } from './messages.js'

/** How long what keeps the process alive may do so once all is done, in milliseconds. */
const LEAVE_LIMIT = 2_000

function say(message: FromWorker): void {
  // The parent may be gone, which says all.
  if (process.connected) process.send?.(message, undefined, undefined, () => {})
}

/** Serves until the parent says that it is over, or is gone itself. */
async function work(): Promise<void> {
  const hurry = new AbortController()
  const stop = new Promise<void>((resolve) => {
    const end = (lingers: boolean): void => {
      if (!lingers) hurry.abort()
      resolve()
    }
    process.on('message', (message: ToWorker) => {
      if (message.type === 'end') end(message.lingers)
    })
    process.once('disconnect', () => end(false))
    process.once('SIGTERM', () => end(false))
  })
  // A terminal says them to all of its processes; what they mean for the workers is for the parent to decide.
  process.on('SIGINT', () => {})
  void onHangUp(() => {})

  const [first] = (await once(process, 'message')) as [ToWorker]
  if (first.type !== 'serve') return
  const { configuration, ticketKeys } = first
  let address = ''
  await serve(configuration, {
    async listen(server) {
      if ('setTicketKeys' in server) server.setTicketKeys(Buffer.from(ticketKeys, 'base64'))
      address = await listenOn(server, LISTENING_DESCRIPTOR, configuration.options)
      // The parent shows it.
      return undefined
    },
    stop,
    hurry: hurry.signal,
    onListening(_, handler) {
      process.on('message', (message: ToWorker) => {
        if (message.type !== 'ping') return
        say({ type: 'pong', loop: 'node' })
        handler.ping().then(
          () => say({ type: 'pong', loop: 'python' }),
          () => {},
        )
      })
      say({ type: 'listening', address, versions: handler.versions })
    },
    onWorn: () => say({ type: 'worn' }),
  })
}

/** Does so, and leaves. */
async function run(): Promise<void> {
  try {
    await work()
  } catch (error) {
    say({ type: 'failed', error: toMessage(error) })
    process.exitCode = 1
  }
  if (process.connected) process.disconnect()
  setTimeout(() => process.exit(), LEAVE_LIMIT).unref()
}

void run()
