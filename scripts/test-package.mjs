// npm run test:package: what npm would publish, installed into an empty project and used there. AMPHIS_TEST_PYTHON names
// the interpreter or environment to serve with; default: .venv.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { WebSocket } from 'ws'
import { nodeProblem } from './lib/machine.mjs'
import { pack, packAddon } from './lib/pack.mjs'
import { inRoot, root } from './lib/paths.mjs'
import { Problem, main } from './lib/problem.mjs'
import { colourEnv, run } from './lib/run.mjs'
import { freePort, RunningScript } from './lib/running-script.mjs'
import { dim, green, say } from './lib/say.mjs'
import { venv } from './lib/setup.mjs'
import { publicEntries } from './lib/typescript.mjs'

const allowed = [
  /^(?:package\.json|README\.md|LICENSE|CHANGELOG\.md|index\.(?:js|cjs|d\.ts|d\.cts)|binding\.cjs|binding\.d\.cts|bin\/amphis\.js)$/,
  /^exports\/(?:[a-z-]+\.(?:cjs|d\.ts|d\.cts)|next\.edge\.js)$/,
  /^dist\/(?:.+\.(?:js|d\.cts)|required\.cjs)$/,
  /^python\/amphis_describe\/[a-z_]+\.py$/,
  /^template\/aws-lambda\/(?:Dockerfile|README\.md|dockerignore|gitignore|function\.mjs|requirements\.txt|app\/(?:main|jobs)\.py)$/,
  /^template\/(?:gitignore|README\.md|requirements\.txt|server\.ts|tsconfig\.json|app\/main\.py|public\/index\.html)$/,
  /^python\/amphis\/(?:__init__\.pyi?|(?:aws_lambda|js|node)\.pyi|py\.typed)$/,
  /^docs\/(?:[a-z-]+\.md|README\.md|demo\.png)$/,
]
const required = [
  'LICENSE',
  'README.md',
  'CHANGELOG.md',
  'index.js',
  'index.cjs',
  'index.d.ts',
  'index.d.cts',
  ...[...publicEntries.filter((name) => name !== 'index'), 'register'].flatMap((name) => [
    `exports/${name}.cjs`,
    `exports/${name}.d.ts`,
    `exports/${name}.d.cts`,
    `dist/${name}.js`,
  ]),
  'dist/modules/hooks.js',
  'dist/dev/child.js',
  'dist/modules/names-program.js',
  'python/amphis_describe/__main__.py',
  'exports/node-version.cjs',
  'exports/common.cjs',
  'dist/required.cjs',
  'binding.cjs',
  'dist/index.js',
  'dist/index.d.cts',
  'bin/amphis.js',
  'python/amphis/__init__.py',
  'python/amphis/__init__.pyi',
  'python/amphis/aws_lambda.pyi',
  'python/amphis/js.pyi',
  'python/amphis/node.pyi',
  'python/amphis/py.typed',
]

/**
 * @param {string} what
 * @param {string} command
 * @param {string[]} args
 * @param {import('./lib/run.mjs').RunOptions} [options]
 */
async function expectSuccess(what, command, args, options) {
  const { code, output } = await run(command, args, { quiet: true, ...options })
  if (code !== 0) {
    say(output.trim())
    throw new Problem(`${what} failed`, 'its output is above')
  }
  say(`${green('✔')} ${what}`)
  return output
}

/**
 * What README links to and shows below `docs/` is for users, who have no repository beside them.
 *
 * @param {string[]} files
 */
function checkPages(files) {
  const links = readFileSync(inRoot('README.md'), 'utf8').matchAll(/\]\((docs\/[^)#]+)(?:#[^)]*)?\)/g)
  const linked = new Set(Array.from(links, ([, path = '']) => path))
  const missing = [...linked].filter((path) => !files.includes(path))
  if (linked.size === 0 || missing.length > 0)
    throw new Problem(
      `README.md links to ${missing.join(', ') || 'no pages'}`,
      'correct it, or `files` in package.json',
    )
  say(`${green('✔')} ${linked.size} pages and pictures that README links to are in it`)
}

/** @param {string[]} files */
function checkContents(files) {
  const strangers = files.filter((file) => !allowed.some((pattern) => pattern.test(file)))
  if (strangers.length > 0)
    throw new Problem(`the package contains ${strangers.join(', ')}`, 'correct `files` in package.json')
  const missing = required.filter((file) => !files.includes(file))
  if (missing.length > 0)
    throw new Problem(`the package lacks ${missing.join(', ')}`, 'run `npm run build`, or correct `files`')
  say(`${green('✔')} ${files.length} files, each meant to be there`)
}

const app = `
async def app(scope, receive, send):
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": b"hello " + scope["path"].encode()})
`

const consumer = `
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { createServer } from 'node:http'
import { once } from 'node:events'
import { PythonHandler } from 'amphis'
import { defineConfig } from 'amphis/config'
import { lambda } from 'amphis/aws-lambda'
import { pythonModules } from 'amphis/esbuild'
import { configure, moduleAt } from 'amphis/modules'
import { amphis } from 'amphis/vite'
import { double } from './doubles.py'

const require = createRequire(import.meta.url)
assert.deepEqual({ ...require('amphis') }, { ...(await import('amphis')) })
assert.equal(require('amphis/config').defineConfig, defineConfig)
assert.equal(defineConfig({ port: 1 }).port, 1)
assert.equal(require('amphis/modules').moduleAt, moduleAt)
assert.equal(require('amphis/esbuild').pythonModules, pythonModules)
assert.equal(require('amphis/vite').amphis, amphis)
assert.equal(require('amphis/aws-lambda').lambda, lambda)
configure({ python: process.env.AMPHIS_TEST_PYTHON })
assert.equal(await double(21), 42)

const handler = new PythonHandler({ app: 'main:app', python: process.env.AMPHIS_TEST_PYTHON, lifespan: 'off' })
await handler.ready()
const server = createServer(handler.listener).listen(0, '127.0.0.1')
await once(server, 'listening')
const response = await fetch('http://127.0.0.1:' + server.address().port + '/from-a-package')
assert.equal(await response.text(), 'hello /from-a-package')
server.closeAllConnections()
server.close()
await handler.close()
`

const typed = `
import { createServer, HandleResponse, PythonError, PythonHandler, type PythonHandlerOptions, type UpgradeListener } from 'amphis'
import { defineConfig, type ConfigExport } from 'amphis/config'
import { lambda, type LambdaHandler, type LambdaOptions, type LambdaStreamHandler } from 'amphis/aws-lambda'
import { pythonModules, type PythonModulesOptions } from 'amphis/esbuild'
import { amphis as fastify, type FastifyPluginOptions } from 'amphis/fastify'
import { hono, type HonoContext, type HonoOptions } from 'amphis/hono'
import { koa, type KoaContext, type KoaOptions } from 'amphis/koa'
import { configure, type PythonFunction, type PythonHandle } from 'amphis/modules'
import { AmphisModule, type AmphisModuleOptions } from 'amphis/nest'
import { amphis as route, withAmphis, type NextRouteHandlers } from 'amphis/next'
import { amphis as plugin, type VitePluginOptions } from 'amphis/vite'

export const modules: PythonModulesOptions = { appDir: 'ml' }
export const plugins = [pythonModules(modules), plugin({ modules } satisfies VitePluginOptions)]
export const { GET }: NextRouteHandlers = route('main:app', { prefix: '/api' })
export const next = withAmphis({ output: 'standalone' as const }, { prefix: '/api' })
configure({ appDir: 'ml', threads: 2 })
export const call = async (f: PythonFunction<(n: number) => Promise<string>, {}, { n: number }>): Promise<string> =>
  (await f(1)) + (await f.with({ n: 1 }, { timeout: 1 })())
export const use = (handle: PythonHandle) => handle.close()
const options: PythonHandlerOptions = { app: 'main:app', factory: false }
export const python: PythonHandler = new PythonHandler(options)
export const upgrade: UpgradeListener = python.upgrade
export const config: ConfigExport = defineConfig({ port: 1 })
export const response: Promise<HandleResponse> = python.handle({ url: '/' })
export const server = createServer(python, { http2: false })
const margin: LambdaOptions = { timeoutMargin: 100, events: 'jobs:handler' }
export const buffered: LambdaHandler = lambda('main:app', { ...margin, lifespan: 'off' })
export const streamed: LambdaStreamHandler = lambda.stream(python, margin)
export const inFastify: FastifyPluginOptions = { app: options, context: ({ raw }) => ({ url: raw.url }) }
export const registered = (scope: Parameters<typeof fastify>[0]) => fastify(scope, inFastify)
export const inKoa: KoaOptions = { context: ({ req }) => ({ url: req.url }) }
export const koaHandler: (context: KoaContext, next: () => Promise<unknown>) => Promise<unknown> = koa(python, inKoa)
export const inHono: HonoOptions = { context: ({ req }) => ({ url: req.raw.url }) }
export const honoHandler: (context: HonoContext) => Promise<Response | undefined> = hono(python, inHono)
export const inNest: AmphisModuleOptions = { app: options, path: '/api' }
export const nest = AmphisModule.forRoot(inNest)
export const type = (error: unknown) => (error instanceof PythonError ? error.type : undefined)
// @ts-expect-error -- had it no types, this would be none
new PythonHandler(1)
`

/** All that can be imported: none of them is forgotten, or has no types. */
const everyEntry = [
  "import 'amphis/register'",
  ...publicEntries.map((name, at) =>
    [
      `import * as entry${at} from 'amphis${name === 'index' ? '' : `/${name}`}'`,
      '// @ts-expect-error -- had it no types, this would be none',
      `entry${at}.missing`,
    ].join('\n'),
  ),
].join('\n')

/**
 * What TypeScript makes of the types, as a module of either kind, where nothing has types but Node.js: those of `ws` and
 * the rest are not what a user has.
 *
 * @param {string} project
 */
async function checkTypes(project) {
  for (const extension of ['cts', 'mts']) {
    writeFileSync(join(project, `typed.${extension}`), typed)
    writeFileSync(join(project, `entries.${extension}`), everyEntry)
  }
  const importEquals =
    "import amphis = require('amphis')\nexport const handler = new amphis.PythonHandler('main:app')\n"
  writeFileSync(join(project, 'required.cts'), importEquals)
  const typesOfNode = ['--types', 'node', '--typeRoots', inRoot('node_modules/@types')]
  const strictly = ['--noEmit', '--strict', '--skipLibCheck', 'false', '--target', 'es2022', ...typesOfNode]
  const both = ['typed.cts', 'typed.mts', 'entries.cts', 'entries.mts', 'required.cts']
  for (const { module, resolution, files } of [
    { module: 'node16', resolution: 'node16', files: both },
    { module: 'nodenext', resolution: 'nodenext', files: both },
    { module: 'preserve', resolution: 'bundler', files: both },
    { module: 'esnext', resolution: 'bundler', files: ['typed.mts', 'entries.mts'] },
  ]) {
    const args = ['--module', module, '--moduleResolution', resolution, ...strictly, ...files]
    await expectSuccess(`types, ${module}`, inRoot('node_modules/.bin/tsc'), args, { cwd: project })
  }
}

/**
 * A project of `amphis init`, started by its one command: in TypeScript as for development, in JavaScript with the Python
 * environment of the other, which is a minute saved.
 *
 * @param {'ts' | 'js'} language
 * @param {string} folder of the tests
 * @param {string[]} packages
 * @param {Record<string, string>} env
 */
async function tryProject(language, folder, packages, env) {
  const project = join(folder, `${language}-project`)
  const program = join(folder, 'project/node_modules/.bin/amphis')
  await expectSuccess(`amphis init --${language}`, program, ['init', project, `--${language}`, '--yes'], { env })
  const options = { cwd: project, env }
  const install = ['install', '--no-audit', '--no-fund', '--loglevel=error', ...packages]
  await expectSuccess('  its packages install', 'npm', install, options)
  if (language === 'ts') await expectSuccess('  its types are right', 'npm', ['run', 'check'], options)
  if (language === 'ts' && process.env.AMPHIS_TEST_PYTHON) {
    const python = resolve(process.env.AMPHIS_TEST_PYTHON)
    await expectSuccess('  its Python is the tested one', 'npx', ['amphis', 'venv', '--python', python], options)
  }
  const script = language === 'ts' ? 'dev' : 'start'
  const running = new RunningScript(project, script, { ...env, PORT: String(await freePort()) })
  try {
    const url = await running.prints(/^http:\/\/\S+$/m)
    const get = async (/** @type {string} */ path) => (await fetch(url + path)).text()
    assert.match(await get('/'), /<title>ts-project|<title>js-project/)
    assert.match(await get('/time'), /from Node|"from":"Node/)
    assert.equal(await get('/api/hello/Ada?times=2'), '{"message":"Hello, Hello, Ada"}')
    assert.match(await get('/api/hello/Ada?times=x'), /int_parsing/)
    assert.match(await get('/api/docs'), /\/api\/openapi\.json/)
    const socket = new WebSocket(`${url.replace('http', 'ws')}/api/echo`)
    await once(socket, 'open')
    socket.send('ping')
    const [heard] = await once(socket, 'message')
    assert.equal(String(heard), 'Python heard: ping')
    if (script === 'dev') {
      const closed = once(socket, 'close')
      const source = join(project, 'app/main.py')
      const changed = readFileSync(source, 'utf8').replace('"Hello, "', '"Howdy, "')
      // As editors do it that never leave half a file.
      writeFileSync(`${source}~`, changed)
      renameSync(`${source}~`, source)
      await closed
      await running.prints(/^http:\/\/\S+$[\s\S]*^http:\/\/\S+$/m)
      assert.equal(await get('/api/hello/Ada'), '{"message":"Howdy, Ada"}')
    }
    socket.terminate()
    await running.stop()
    say(`${green('✔')}   npm run ${script} serves Express, FastAPI and its WebSocket`)
  } catch (error) {
    say(running.output)
    throw error
  } finally {
    running.kill()
  }
}

await main(async () => {
  const tooOld = nodeProblem()
  if (tooOld) throw tooOld
  const folder = mkdtempSync(join(tmpdir(), 'amphis-package-'))
  try {
    const { tarball, files } = await pack(root, folder)
    checkContents(files)
    checkPages(files)
    await expectSuccess('publint', inRoot('node_modules/.bin/publint'), ['run', tarball, '--strict'], {
      env: colourEnv,
    })
    await expectSuccess('attw', inRoot('node_modules/.bin/attw'), [tarball, '--no-emoji'])

    const addon = await packAddon(folder)
    if (!addon) {
      say(dim(`  not installed: there is no package for ${process.platform}-${process.arch}`))
      return
    }
    const project = join(folder, 'project')
    mkdirSync(project)
    writeFileSync(join(project, 'package.json'), '{ "name": "consumer", "private": true, "type": "module" }\n')
    writeFileSync(join(project, 'main.py'), app)
    writeFileSync(join(project, 'doubles.py'), 'def double(n: int) -> int:\n    return 2 * n\n')
    writeFileSync(join(project, 'consumer.js'), consumer)
    const options = { cwd: project, env: { AMPHIS_TEST_PYTHON: process.env.AMPHIS_TEST_PYTHON ?? venv } }
    const install = ['install', '--no-audit', '--no-fund', '--loglevel=error', tarball, addon.tarball]
    await expectSuccess('installs into an empty project', 'npm', install, options)
    await checkTypes(project)
    await expectSuccess('serves an app from there', process.execPath, ['--import', 'amphis/register', 'consumer.js'], {
      ...options,
      env: { ...options.env, AMPHIS_PYTHON: options.env.AMPHIS_TEST_PYTHON },
    })
    const types = ['types', 'doubles.py', '--python', options.env.AMPHIS_TEST_PYTHON]
    await expectSuccess('writes types', join(project, 'node_modules/.bin/amphis'), types, options)
    await expectSuccess('its command line runs', join(project, 'node_modules/.bin/amphis'), ['--version'], options)
    const packages = [tarball, addon.tarball]
    await tryProject('ts', folder, packages, {})
    await tryProject('js', folder, packages, { VIRTUAL_ENV: join(folder, 'ts-project/.venv') })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
