// npm start: sets up what is missing, then serves the demo until Ctrl+C.
import { spawn } from 'node:child_process'
import { constants } from 'node:os'
import { inRoot, root } from './lib/paths.mjs'
import { main } from './lib/problem.mjs'
import { setUpDemo } from './lib/setup.mjs'

await main(async () => {
  await setUpDemo()
  const demo = spawn(
    process.execPath,
    ['--import', '@oxc-node/core/register', inRoot('examples/express-fastapi/server.ts'), ...process.argv.slice(2)],
    { cwd: root, stdio: 'inherit' },
  )
  // The terminal sends Ctrl+C to the whole group: the demo ends by itself, and this process waits for it.
  process.on('SIGINT', () => {})
  process.on('SIGTERM', () => demo.kill('SIGTERM'))
  return new Promise((resolve) => {
    demo.on('close', (code, signal) => resolve(code ?? 128 + (signal ? constants.signals[signal] : 0)))
  })
})
