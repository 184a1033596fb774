// Reads the configuration, for `configure-anew.ts`.
import { once } from 'node:events'
import { toMessage } from '../errors/error-message.js'
import { UsageError } from '../errors/usage-error.js'
import { configure } from '../options/configuration.js'
import type { Given } from '../options/table.js'
import type { AnewMessage } from './configure-anew.js'

async function answer(): Promise<AnewMessage> {
  const [commandLine] = (await once(process, 'message')) as [Given]
  try {
    const { app, options } = await configure(commandLine)
    if (app === undefined) throw new UsageError('There is no app any more. Give amphis.config.js the key app.')
    return { configuration: { app, options }, env: { ...process.env } }
  } catch (error) {
    return { error: toMessage(error) }
  }
}

process.once('disconnect', () => process.exit())
process.send?.(await answer())
