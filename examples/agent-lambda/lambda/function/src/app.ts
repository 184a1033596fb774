// The app, for both handlers. Secrets are taken before Python starts: it copies the environment when it does.
import { fileURLToPath } from 'node:url'
import { takeSecrets } from './secrets.js'

await takeSecrets()

/** Options of `lambda`. */
export const app = {
  app: 'app.api:app',
  appDir: fileURLToPath(new URL('..', import.meta.url)),
  lifespan: 'on' as const,
  ...(process.env['PYTHON'] && { python: process.env['PYTHON'] }),
}
