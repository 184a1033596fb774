// npm run test:functions: the long tests of examples/functions, on a real engine, a real NATS and a real PostgreSQL: what
// functions may not do to others, and a thousand events while containers and servers are killed. About four minutes.
import { containersForTests } from './lib/containers.mjs'
import { natsForTests } from './lib/nats-server.mjs'
import { inRoot, pythonOf } from './lib/paths.mjs'
import { main } from './lib/problem.mjs'
import { run } from './lib/run.mjs'
import { say } from './lib/say.mjs'
import { complete, setUp } from './lib/setup.mjs'
import { pythonPackages } from './lib/python-packages.mjs'

const venv = inRoot('examples/functions/.venv')

await main(async () => {
  await setUp()
  await complete([pythonPackages(venv, ['examples/functions/requirements.txt'])])
  // Held until the end: the tests use this one, and it need not start anew for each file.
  const engine = await containersForTests(say)
  if (!engine || !(await natsForTests(say))) return 0
  const files = ['postgres', 'faults', 'thousand', 'service-image'].map((name) =>
    inRoot(`examples/functions/test/${name}.test.ts`),
  )
  const args = ['--import=@oxc-node/core/register', '--test', '--test-concurrency=1', '--test-reporter=spec', ...files]
  const { code } = await run(process.execPath, args, { env: { FUNCTIONS_PYTHON: pythonOf(venv) } })
  engine.release()
  return code
})
