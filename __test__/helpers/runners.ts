import { mkdir, symlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ExecutionContext } from 'ava'
import { installedProject } from './installed.js'
import type { Exit } from './node-process.js'
import { runIn } from './python-project.js'

const packages = fileURLToPath(new URL('../hosts/runners/node_modules', import.meta.url))

const APP = `
async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": b"hello from Python"})
`

const TEST = `
test('an app answers, and errors are what they are', async () => {
  const python = new PythonHandler({ app: 'main:app', lifespan: 'off' })
  expect(await (await python.handle({ url: '/' })).text()).toBe('hello from Python')
  expect(await (await python.fetch(new Request('http://localhost/'))).text()).toBe('hello from Python')
  const error = await new PythonHandler('nothing:app').ready().catch((reason) => reason)
  expect(error).toBeInstanceOf(AmphisError)
  expect(error.code).toBe('AMPHIS_ERR_APP_NOT_FOUND')
  expect(typeof koa).toBe('function')
  await python.close()
})
`
const MODULE = `import { AmphisError, PythonHandler } from 'amphis'\nimport { koa } from 'amphis/koa'\n${TEST}`
const COMMON_JS = MODULE.replaceAll(/import (.*) from (.*)/g, 'const $1 = require($2)')
const VITEST = `import { expect, test } from 'vitest'\n${MODULE}`

/** A project whose tests use amphis: two files of each kind, so that one process loads it twice. */
export async function testedProject(t: ExecutionContext) {
  const kinds = { 'module.test.mjs': MODULE, 'common.test.cjs': COMMON_JS, 'vitest.spec.mjs': VITEST }
  const tests = Object.entries(kinds).flatMap(([name, text]) =>
    [1, 2].map((at) => [`tests/${at}.${name}`, text] as const),
  )
  const folder = await installedProject(t, { 'main.py': APP, ...Object.fromEntries(tests) })
  for (const name of ['vitest', 'jest']) {
    const target = join(folder, 'node_modules', name)
    await mkdir(dirname(target), { recursive: true })
    await symlink(join(packages, name), target)
  }
  const run = (args: string[]) => runIn(t, folder, args, { CI: '1', NO_COLOR: '1' })
  return {
    jest(pattern: string, ...flags: string[]): Promise<Exit> {
      const program = join(packages, 'jest/bin/jest.js')
      return run([
        ...flags,
        program,
        '--rootDir=.',
        `--testMatch=**/*.${pattern}`,
        '--transform={}',
        '--runInBand',
        '--testTimeout=60000',
      ])
    },
    vitest(pool: string): Promise<Exit> {
      const program = join(packages, 'vitest/vitest.mjs')
      return run([program, 'run', '--dir=tests', 'spec', `--pool=${pool}`, '--maxWorkers=1', '--testTimeout=60000'])
    },
  }
}
