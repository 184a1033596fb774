import { execFileSync, spawn } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import { UsageError } from '../lib/cli/errors/usage-error.js'
import { configure, defaults } from '../lib/cli/options/configuration.js'
import { misspeltVariables } from '../lib/cli/options/environment.js'
import { parseCommandLine } from '../lib/cli/options/parse.js'
import { keyOf, OPTIONS, variableOf } from '../lib/cli/options/table.js'
import { type ConfigExport, defineConfig } from '../lib/config.js'
import { request } from './helpers/client.js'
import { amphisEnds, amphisIn, announced } from './helpers/command-line.js'
import { NodeProcess } from './helpers/node-process.js'
import { loop, python } from './helpers/python.js'
import { scratchFolder } from './helpers/scratch.js'

/** What comes out in a folder with these files. */
async function configured(
  t: ExecutionContext,
  { args = [], env = {}, files = {} }: { args?: string[]; env?: NodeJS.ProcessEnv; files?: Record<string, string> },
) {
  const folder = await scratchFolder(t, { 'package.json': '{}', ...files })
  return { folder, env, ...(await configure(parseCommandLine(args), env, folder)) }
}

function manifest(amphis: unknown): Record<string, string> {
  return { 'package.json': JSON.stringify({ amphis }) }
}

test('every option has its default where nobody says anything', async (t) => {
  const { app, options } = await configured(t, { args: ['main:app'] })
  t.is(app, 'main:app')
  t.deepEqual(options, defaults())
  t.deepEqual(Object.keys(options), Object.keys(OPTIONS))
  t.like(options, {
    host: '127.0.0.1',
    port: 8000,
    uds: undefined,
    'app-dir': '.',
    factory: false,
    'root-path': '',
    'reload-dir': [],
    'reload-delay': 0.05,
    'log-level': undefined,
    'access-log': true,
    workers: 1,
    'limit-concurrency': undefined,
    'timeout-keep-alive': 5,
    'proxy-headers': true,
    'forwarded-allow-ips': '127.0.0.1,::1',
    header: [],
    'ssl-cert-reqs': '0',
    'ws-max-size': 16_777_216,
    'ws-per-message-deflate': false,
    help: false,
  })
})

test('the command line comes before the environment, amphis.config.js, package.json', async (t) => {
  const files: Record<string, string> = {
    ...manifest({ app: 'five:app', port: 5, workers: 5, lifespan: 'on', factory: true, reloadDir: ['five'] }),
    'amphis.config.mjs': `export default { app: 'four:app', port: 4, workers: 4, lifespan: 'off', header: ['a:4'] }`,
  }
  const env = { AMPHIS_APP: 'three:app', AMPHIS_PORT: '3', AMPHIS_WORKERS: '3', AMPHIS_HEADER: 'a:3' }
  const { app, options, folder } = await configured(t, { args: ['two:app', '--port', '2'], env, files })
  t.is(app, 'two:app')
  t.like(options, { port: 2, workers: 3, lifespan: 'off', factory: true, header: ['a:3'], loop: 'auto' })
  t.deepEqual(options['reload-dir'], [join(folder, 'five')])

  t.is((await configured(t, { env, files })).app, 'three:app')
  t.is((await configured(t, { files })).app, 'four:app')
  delete files['amphis.config.mjs']
  t.is((await configured(t, { files })).app, 'five:app')
})

test('a switch that is on elsewhere can be turned off', async (t) => {
  const files = manifest({ factory: true, http2: true, reload: true, accessLog: false })
  const env = { AMPHIS_HTTP2: 'off' }
  const { options } = await configured(t, { args: ['--no-factory', '--access-log'], env, files })
  t.like(options, { factory: false, http2: false, reload: true, 'access-log': true })
})

test('the environment speaks as other programs do', async (t) => {
  const env = {
    AMPHIS_FACTORY: '1',
    AMPHIS_RELOAD: 'YES',
    AMPHIS_ACCESS_LOG: 'False',
    AMPHIS_WS_PER_MESSAGE_DEFLATE: 'on',
    AMPHIS_RELOAD_DIR: 'a, b,',
    AMPHIS_TIMEOUT_REQUEST: '0.5',
    // As good as not there.
    AMPHIS_PORT: '',
    AMPHIS_APP: '',
    AMPHIS_HOST: '',
  }
  const { app, options } = await configured(t, { env })
  t.is(app, undefined)
  t.like(options, {
    factory: true,
    reload: true,
    'access-log': false,
    'ws-per-message-deflate': true,
    'reload-dir': ['a', 'b'],
    'timeout-request': 0.5,
    port: 8000,
    host: '127.0.0.1',
  })
})

test("uvicorn's variables count, after amphis' own", async (t) => {
  const uvicorn = { FORWARDED_ALLOW_IPS: '10.0.0.0/8', WEB_CONCURRENCY: '3' }
  const files = manifest({ workers: 2 })
  t.like((await configured(t, { env: uvicorn, files })).options, { 'forwarded-allow-ips': '10.0.0.0/8', workers: 3 })
  const own = { AMPHIS_FORWARDED_ALLOW_IPS: '*', AMPHIS_WORKERS: '4' }
  t.like((await configured(t, { env: { ...uvicorn, ...own } })).options, { 'forwarded-allow-ips': '*', workers: 4 })
  // Who trusts nobody says so by an empty one.
  t.is((await configured(t, { env: { FORWARDED_ALLOW_IPS: '' } })).options['forwarded-allow-ips'], '')
  await t.throwsAsync(configured(t, { env: { WEB_CONCURRENCY: '0' } }), {
    instanceOf: UsageError,
    message: 'The environment variable WEB_CONCURRENCY takes a whole number from 1 to 2147483647, not "0".',
  })
})

test('AMPHIS_PYTHON is left to whoever looks for Python, and comes before files', async (t) => {
  const files = manifest({ python: '/usr/bin/python3' })
  t.is((await configured(t, { files })).options.python, '/usr/bin/python3')
  t.is((await configured(t, { files, env: { AMPHIS_PYTHON: '/opt/venv' } })).options.python, undefined)
})

test('tells which variable was probably meant', (t) => {
  const env = {
    AMPHIS_PROT: '1',
    AMPHIS_LOGLEVEL: 'x',
    AMPHIS_PORT: '1',
    AMPHIS_TEST: '1',
    AMPHIS_SECRET: '',
    PROT: '',
  }
  t.deepEqual(misspeltVariables(env), [
    'The environment variable AMPHIS_PROT is unknown to amphis, and ignored. Did you mean AMPHIS_PORT?',
    'The environment variable AMPHIS_LOGLEVEL is unknown to amphis, and ignored. Did you mean AMPHIS_LOG_LEVEL?',
  ])
  for (const name of ['app', ...Object.keys(OPTIONS)]) t.deepEqual(misspeltVariables({ [variableOf(name)]: '' }), [])
})

// Files

test('a file may export a function, also one that takes its time', async (t) => {
  const exporting = async (text: string) => (await configured(t, { files: { 'amphis.config.mjs': text } })).options.port
  t.is(await exporting('export default () => ({ port: 1 })'), 1)
  t.is(await exporting('export default async () => ({ port: await 2 })'), 2)
  t.is(await exporting('export default { port: undefined }'), 8000)
})

test('a file may be an ES module or a CommonJS module, as its package says', async (t) => {
  const port = async (type: string, text: string) => {
    const files = { 'package.json': JSON.stringify({ type }), 'amphis.config.js': text }
    return (await configured(t, { files })).options.port
  }
  t.is(await port('module', 'export default { port: 1 }'), 1)
  t.is(await port('commonjs', 'module.exports = { port: 2 }'), 2)
})

test('the nearest package.json counts, from the working directory upwards', async (t) => {
  const folder = await scratchFolder(t, {
    'package.json': JSON.stringify({ amphis: { app: 'main:app', port: 1, sslCertfile: 'cert.pem' } }),
    'amphis.config.mjs': 'export default { port: 2 }',
    'src/web/main.py': '',
    'other/package.json': '{}',
  })
  const nothing = parseCommandLine([])
  const inside = await configure(nothing, {}, join(folder, 'src/web'))
  t.is(inside.app, 'main:app')
  // A file that is a program counts in the working directory alone.
  t.is(inside.options.port, 1)
  t.is(inside.options['ssl-certfile'], join(folder, 'cert.pem'))
  t.is(inside.options['app-dir'], folder)
  t.is((await configure(nothing, {}, join(folder, 'other'))).app, undefined)
})

test('paths in a file are relative to the file', async (t) => {
  const given = {
    app: 'main:app',
    reloadDir: ['src', '/srv'],
    sslKeyfile: './tls/key.pem',
    logConfig: 'log.json',
    uds: 'app.sock',
    python: '.venv',
    rootPath: '/api',
  }
  const { options, folder } = await configured(t, { files: { ...manifest(given), '.venv/pyvenv.cfg': '' } })
  t.like(options, {
    'app-dir': folder,
    'reload-dir': [join(folder, 'src'), '/srv'],
    'ssl-keyfile': join(folder, 'tls/key.pem'),
    'log-config': join(folder, 'log.json'),
    uds: join(folder, 'app.sock'),
    python: join(folder, '.venv'),
    'root-path': '/api',
  })
  const pythonOf = async (name: string) => (await configured(t, { files: manifest({ python: name }) })).options.python
  t.is(await pythonOf('python3.12'), 'python3.12')
  t.is(await pythonOf('~/venv'), '~/venv')

  const appDir = async (args: string[], amphis: unknown) =>
    (await configured(t, { args, files: manifest(amphis) })).options['app-dir']
  t.is(await appDir(['main:app'], given), '.')
  t.is(await appDir(['--app-dir', 'src'], given), 'src')
  t.regex(await appDir([], { ...given, appDir: 'py' }), /^\/.*\/py$/)
})

test('every option can stand in a file, under its name in camel case', async (t) => {
  const { options } = await configured(t, {
    files: manifest({
      forwardedAllowIps: ['10.0.0.0/8', '::1'],
      sslCertReqs: 2,
      timeoutGracefulShutdown: 1.5,
      timeoutStreams: 0.5,
      pathsend: true,
      wsPerMessageDeflate: true,
      header: ['a:1'],
      http2: true,
    }),
  })
  t.like(options, {
    'forwarded-allow-ips': '10.0.0.0/8,::1',
    'ssl-cert-reqs': '2',
    'timeout-graceful-shutdown': 1.5,
    'timeout-streams': 0.5,
    pathsend: true,
    'ws-per-message-deflate': true,
    header: ['a:1'],
    http2: true,
  })
  for (const name of ['help', 'version']) {
    await t.throwsAsync(configured(t, { files: manifest({ [name]: true }) }), {
      instanceOf: UsageError,
      message: new RegExp(`^The key ${name} of /.*package\\.json is no option\\.`),
    })
  }
  for (const [name, { type }] of Object.entries(OPTIONS)) {
    if (type === 'flag') continue
    const message = new RegExp(`^The key ${keyOf(name)} of /.*/package\\.json takes .*, not null\\.$`)
    await t.throwsAsync(configured(t, { files: manifest({ [keyOf(name)]: null }) }), {
      instanceOf: UsageError,
      message,
    })
  }
})

const mistakes: [file: string, text: string, message: RegExp][] = [
  ['package.json', '{"amphis":{"prot":1}}', /^The key prot of \/.*\/package\.json is no option\. Did you mean port\?$/],
  [
    'package.json',
    '{"amphis":{"reload-dir":[]}}',
    /^The key reload-dir of .* is no option\. Did you mean reloadDir\?$/,
  ],
  ['package.json', '{"amphis":{"banana":1}}', /^The key banana of .* is no option\. Remove it; `amphis --help` shows/],
  ['package.json', '{"amphis":{"__proto__":1}}', /^The key __proto__ of .* is no option\./],
  ['package.json', '{"amphis":{"constructor":1}}', /^The key constructor of .* is no option\./],
  ['package.json', '{"amphis":[]}', /^The key amphis of \/.*\/package\.json is not an object\. Write: "amphis": \{ /],
  ['package.json', '{"amphis":{"app":"main.py"}}', /^The key app of .* takes module:attribute, .*, not "main\.py"\.$/],
  [
    'package.json',
    '{"amphis":{"port":"80"}}',
    /^The key port of .* takes a number from 0 to 65535, not the text "80"\.$/,
  ],
  ['package.json', '{"amphis":{},}', /^The file \/.*\/package\.json is not JSON \(.*\)\. Correct it\.$/],
  [
    'amphis.config.mjs',
    'export const port = 1',
    /^The file \/.*\.mjs does not export an object\. Write: export default \{ /,
  ],
  ['amphis.config.mjs', 'export default () => [1]', /^The file \/.*\.mjs does not export an object\. /],
  [
    'amphis.config.mjs',
    'export default () => ({ port: -1 })',
    /^The key port of \/.*\.mjs takes a number from 0 to 65535, not -1\.$/,
  ],
  ['amphis.config.mjs', '\n\nthrow new Error("Boom.")', /^The file \/.*\.mjs failed in line 3: Boom\. Correct it\.$/],
  [
    'amphis.config.mjs',
    '\nexport default async () => nothing',
    /^The file \/.*\.mjs failed in line 2: nothing is not defined\. /,
  ],
  ['amphis.config.mjs', 'export default () => { throw 7 }', /^The file \/.*\.mjs failed: 7\. Correct it\.$/],
  [
    'amphis.config.mjs',
    'import "no-such-package"',
    /^The file \/.*\.mjs failed: Cannot find package 'no-such-package'/,
  ],
]

for (const [file, text, message] of mistakes) {
  test(`says in one line what is wrong with ${JSON.stringify(text)} in ${file}`, async (t) => {
    const error = await t.throwsAsync(configured(t, { files: { 'other.mjs': 'a b', [file]: text } }), {
      instanceOf: UsageError,
    })
    t.regex(error.message, message)
    t.notRegex(error.message, /\n/)
  })
}

test('says that there are two files', async (t) => {
  await t.throwsAsync(configured(t, { files: { 'amphis.config.js': '', 'amphis.config.ts': '' } }), {
    instanceOf: UsageError,
    message: /^There are amphis\.config\.js and amphis\.config\.ts in \/.*\. Remove all but one\.$/,
  })
})

test('defineConfig hands on what it is given, and knows the options', (t) => {
  const given = { app: 'main:app', port: 1, reloadDir: ['src'], sslCertReqs: 2, loop: 'uvloop' } as const
  t.is(defineConfig(given), given)
  const later = async (): Promise<{ workers: number }> => Promise.resolve({ workers: 2 })
  t.is(defineConfig(later), later)
  // @ts-expect-error -- there is no such option
  defineConfig({ prot: 1 })
  // @ts-expect-error -- it is a number
  defineConfig({ port: '1' })
  // @ts-expect-error -- there is no such loop
  const wrong: ConfigExport = { loop: 'trio' }
  t.truthy(wrong)
})

test('amphis/config loads neither the addon nor Python', (t) => {
  const program = `
    const { defineConfig } = await import('amphis/config')
    const loaded = process.report.getReport().sharedObjects.filter((path) => /amphis|libpython/.test(path))
    console.log(JSON.stringify([typeof defineConfig, loaded]))
  `
  const args = ['--input-type=module', '--eval', program]
  // The package may name itself.
  const cwd = fileURLToPath(new URL('..', import.meta.url))
  t.is(execFileSync(process.execPath, args, { cwd, encoding: 'utf8' }), '["function",[]]\n')
})

// The command itself

const app = `
import os
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        raise RuntimeError
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": os.environ.get("GREETING", "").encode()})
`

/** Runs the program as the shell does, by its first line. */
function command(t: ExecutionContext, folder: string, env: NodeJS.ProcessEnv, ...args: string[]): NodeProcess {
  const program = fileURLToPath(new URL('../bin/amphis.js', import.meta.url))
  const child = spawn(program, args, {
    cwd: folder,
    env: { ...process.env, NODE_OPTIONS: undefined, FORCE_COLOR: undefined, NO_COLOR: '1', ...env },
  })
  t.teardown(() => child.kill('SIGKILL'))
  return new NodeProcess(child, 'now')
}

test('plain `amphis` serves what the folder says, with the variables of its file', async (t) => {
  const config = `
    import { defineConfig } from ${JSON.stringify(new URL('../dist/config.js', import.meta.url).href)}
    export default defineConfig({ app: 'main:app', appDir: 'src', envFile: 'production.env', loop: '${loop}' })
  `
  const folder = await scratchFolder(t, {
    'package.json': JSON.stringify({ amphis: { port: 1, python } }),
    'amphis.config.mjs': config,
    'production.env': 'GREETING="Hello from a file"\nAMPHIS_PORT=0\nAMPHIS_HOST=192.0.2.1\n',
    'src/main.py': app,
  })
  const process = command(t, folder, { AMPHIS_HOST: '127.0.0.1' })
  const { url } = await announced(process, 'main:app')
  t.is((await request(url)).text, 'Hello from a file')
  process.child.kill('SIGINT')
  const { code, stderr } = await process.ends()
  t.deepEqual([code, stderr], [0, ''])
})

test('a mistake in a file is one line and exit code 2', async (t) => {
  const folder = await scratchFolder(t, manifest({ app: 'main:app', prot: 1 }))
  const { code, stdout, stderr } = await command(t, folder, {}).ends()
  t.deepEqual([code, stdout], [2, ''])
  t.is(stderr, `error: The key prot of ${folder}/package.json is no option. Did you mean port?\n`)
})

const syntaxErrors: [file: string, text: string, message: RegExp][] = [
  [
    'amphis.config.mjs',
    'export default {\n  port: 1,,\n}',
    /^error: The file \/.*\.mjs has a syntax error in line 2: .*\. Correct it\.\n$/,
  ],
  [
    'amphis.config.mjs',
    "import './other.mjs'",
    /^error: The file \/.*\.mjs, or one that it imports, has a syntax error: /,
  ],
  ['amphis.config.js', 'module.exports = {', /^error: The file \/.*\.js has a syntax error in line 1: /],
]

test('tells in one line where a file has a syntax error', async (t) => {
  for (const [file, text, message] of syntaxErrors) {
    const folder = await scratchFolder(t, { 'package.json': '{}', 'other.mjs': 'a b', [file]: text })
    const { code, stderr } = await command(t, folder, {}).ends()
    t.is(code, 2)
    t.regex(stderr, message)
    t.regex(stderr, /^.*\n$/)
  }
})

test('tells that the file of variables is missing', async (t) => {
  const folder = await scratchFolder(t, { 'package.json': '{}' })
  const { code, stdout, stderr } = await command(t, folder, {}, 'main:app', '--env-file', 'no.env').ends()
  t.deepEqual([code, stdout], [1, ''])
  t.is(stderr, 'error: The file no.env does not exist. Name a file of environment variables with --env-file.\n')
})

test('a file in TypeScript is read where Node runs TypeScript, and told of where it does not', async (t) => {
  const folder = await scratchFolder(t, {
    'package.json': '{"type":"module"}',
    'amphis.config.ts': `export default { app: 'main:app' as const, prot: 1 }`,
  })
  const { code, stderr } = await command(t, folder, { NODE_NO_WARNINGS: '1' }).ends()
  t.is(code, 2)
  t.is(
    stderr,
    (process.features as { typescript?: unknown }).typescript
      ? `error: The key prot of ${folder}/amphis.config.ts is no option. Did you mean port?\n`
      : `error: The file ${folder}/amphis.config.ts is in TypeScript, which Node.js ${process.versions.node} does not run. ` +
          'Rename it to amphis.config.mjs and leave out the types, or use Node.js 22.18 or later.\n',
  )
})

test('asks for the app where nobody names one, and mentions what looks like a mistake', async (t) => {
  const process = amphisIn({ AMPHIS_APPP: 'main:app' }, t)
  const { code, stdout, stderr } = await process.ends()
  t.deepEqual([code, stdout], [2, ''])
  const [warning, error, ...rest] = stderr.split('\n')
  t.is(
    warning,
    'warning: The environment variable AMPHIS_APPP is unknown to amphis, and ignored. Did you mean AMPHIS_APP?',
  )
  t.regex(error ?? '', /^error: Which app\? .*main:app.*amphis\.config\.js/)
  t.deepEqual(rest, [''])
})

test('shows versions and help whatever the files say', async (t) => {
  const folder = await scratchFolder(t, manifest({ prot: 1 }))
  const versions = await command(t, folder, {}, '--version').ends()
  t.is(versions.code, 0)
  t.regex(versions.stdout, /^amphis .*\nNode\.js .*\nPython not usable: The key prot of .*\n$/)
  const help = await command(t, folder, {}, '--help').ends()
  t.is(help.code, 0)
  t.regex(help.stdout, /^Usage: /)
  t.is((await amphisEnds(t, '-h')).stdout, help.stdout)
})
