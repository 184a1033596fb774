import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import { amphis, withAmphis, type NextRouteOptions } from '../lib/next.js'
import { Recorder } from './helpers/recorder.js'
import { runIn } from './helpers/python-project.js'
import { testOptions } from './helpers/python.js'
import { scratchFolder } from './helpers/scratch.js'

// `amphis/next` without Next.js: what it makes of options, URLs and a configuration. With it: `hosts/next.host.ts`.

let mounts = 0

/** Below a prefix of its own, for there is one handler for each. */
function mount(t: ExecutionContext, app: string, options: NextRouteOptions = {}) {
  const prefix = `/mount-${++mounts}`
  const route = amphis(testOptions({ app, logger: new Recorder() }), { prefix, ...options })
  t.teardown(() => route.python.close())
  return { ...route, prefix }
}

const seen = async (response: Response) => (await response.json()) as Record<string, unknown>

test('the app is mounted at the prefix, below a basePath that the URL does not have', async (t) => {
  const { GET, prefix } = mount(t, 'scope:app', { basePath: '/base' })
  const found = await seen(await GET(new Request(`http://localhost${prefix}/a%20b/?x=%20y`)))
  t.like(found, {
    root_path: `/base${prefix}`,
    path: `/base${prefix}/a b/`,
    query_string: { bytes: 'x=%20y' },
    client: null,
  })
  const whole = await seen(await GET(new Request(`http://localhost/base${prefix}`)))
  t.like(whole, { root_path: `/base${prefix}`, path: `/base${prefix}/` })
})

test('a body goes along below a basePath', async (t) => {
  const { POST, prefix } = mount(t, 'echo:app', { basePath: '/base' })
  const body = 'amphis'.repeat(100_000)
  const response = await POST(new Request(`http://localhost${prefix}/`, { method: 'POST', body }))
  t.is(await response.text(), body)
})

test('the connection is what the caller says', async (t) => {
  const { GET, prefix } = mount(t, 'scope:app', { connection: () => ({ client: ['192.0.2.7', 7], scheme: 'https' }) })
  const headers = { 'x-forwarded-for': '198.51.100.1', 'x-forwarded-proto': 'http' }
  const found = await seen(await GET(new Request(`http://localhost${prefix}/`, { headers })))
  t.deepEqual([found['client'], found['scheme']], [{ tuple: ['192.0.2.7', 7] }, 'https'])
})

test('the app finds what the host knows of a request, and a throw is an error of the route', async (t) => {
  const { GET, prefix } = mount(t, 'scope:app', {
    context: async ({ headers }) => {
      if (headers.get('x-user') === null) throw new Error('nobody')
      return { user: headers.get('x-user') }
    },
  })
  const url = `http://localhost${prefix}/`
  const found = await seen(await GET(new Request(url, { headers: { 'x-user': 'ada' } })))
  t.deepEqual((found['extensions'] as Record<string, unknown>)['amphis.context'], { user: 'ada' })
  await t.throwsAsync(GET(new Request(url)), { message: 'nobody' })
  const wrong = { context: { user: 'ada' } } as object
  t.throws(() => amphis('main:app', wrong), { message: /context of amphis\/next must be a function/ })
})

test('there is one app for each prefix, and another one when its options have changed', async (t) => {
  const options = { prefix: '/once' }
  const { python } = amphis(testOptions('scope:app'), options)
  t.is(amphis(testOptions('scope:app'), options).python, python)
  const { python: other } = amphis(testOptions('echo:app'), options)
  t.teardown(() => other.close())
  t.not(other, python)
  await t.throwsAsync(python.ready(), { code: 'AMPHIS_ERR_CLOSED' })
})

test('errors that stand for a status are answered with it, others are thrown', async (t) => {
  const options = testOptions({ app: 'echo:app', maxBodySize: 3, logger: new Recorder() })
  const { POST, python } = amphis(options, { prefix: '/limited' })
  t.teardown(() => python.close())
  const response = await POST(new Request('http://localhost/limited', { method: 'POST', body: 'long' }))
  t.deepEqual([response.status, await response.text()], [413, 'Content Too Large'])
  const { GET, prefix } = mount(t, 'raises_on_import:app')
  await t.throwsAsync(GET(new Request(`http://localhost${prefix}`)), { code: 'AMPHIS_ERR_APP_IMPORT' })
})

test('during next build nothing is started, and a request is an error that says what to remove', async (t) => {
  const folder = await scratchFolder(t, {
    'main.py': 'from pathlib import Path\nPath("imported").touch()\n',
    'build.mjs': `
import { existsSync } from 'node:fs'
import { amphis } from ${JSON.stringify(pathToFileURL(join(import.meta.dirname, '../dist/next.js')).href)}
const { GET } = amphis('main:app', { prefix: '/api' })
console.log(await GET(new Request('http://localhost/api/x')).catch(({ message }) => message), existsSync('imported'))
`,
  })
  const { stdout } = await runIn(t, folder, ['build.mjs'], { NEXT_PHASE: 'phase-production-build' })
  t.regex(stdout, /^next build asks for \/api\/x, .*Remove generateStaticParams.* false\n$/)
})

test('unknown options and wrong paths are refused, with the nearest name', (t) => {
  const wrong = { code: 'AMPHIS_ERR_INVALID_OPTIONS' }
  const options = { prefx: '/api' } as NextRouteOptions
  t.throws(() => amphis('main:app', options), {
    ...wrong,
    message: /no option prefx of amphis\/next\. Did you mean prefix/,
  })
  t.throws(() => amphis('main:app', { prefix: 'api' }), { ...wrong, message: /prefix of amphis\/next must be a path/ })
  t.throws(() => amphis('main:app', { basePath: '/[[x]]' }), { ...wrong, message: /basePath of amphis\/next must be/ })
  t.throws(() => amphis('main'), wrong)
  t.throws(() => withAmphis({}, { prefix: '/api/*' }), { ...wrong, message: /prefix of withAmphis must be a path/ })
  t.throws(() => withAmphis({}, { file: ['x'] } as object), { ...wrong, message: /Did you mean files/ })
  t.throws(() => withAmphis({}, { files: 'x' as unknown as string[] }), { ...wrong, message: /list of patterns/ })
})

const context = { defaultConfig: undefined as never }
const configure = async (...given: Parameters<typeof withAmphis>): Promise<Record<string, unknown>> => ({
  ...(await withAmphis(...given)('phase-development-server', context)),
})

test('a configuration keeps what it says, and gets what the app needs', async (t) => {
  const own = {
    reactStrictMode: true,
    serverExternalPackages: ['sharp'],
    outputFileTracingIncludes: { '/*': ['a'], '/b': ['c'] },
    redirects: async () => [{ source: '/old', destination: '/new', permanent: true }],
  }
  const config = await configure(async (phase: string) => ({ ...own, phase }), {
    prefix: '/my.api',
    files: ['./app/**'],
  })
  t.like(config, {
    reactStrictMode: true,
    phase: 'phase-development-server',
    serverExternalPackages: ['sharp', 'amphis'],
    skipTrailingSlashRedirect: true,
    outputFileTracingIncludes: { '/*': ['a', './app/**'], '/b': ['c'] },
  })
  const redirects = await (config['redirects'] as typeof own.redirects)()
  t.deepEqual(redirects, [
    { source: '/old', destination: '/new', permanent: true },
    { source: String.raw`/:path((?!my\.api(?:/|$)).+)/`, destination: '/:path', permanent: true },
  ])
  t.is((await configure({ trailingSlash: true }, { prefix: '/api' }))['redirects'], undefined)
  t.is((await configure({}))['redirects'], undefined)
})

test('a build takes the files of Python along, but none that is installed or hidden', async (t) => {
  const folder = await scratchFolder(t, {
    'main.py': '',
    'app/deep/module.py': '',
    'app/data.txt': '',
    '.venv/pyvenv.cfg': '',
    '.venv/lib/hidden.py': '',
    'env/pyvenv.cfg': '',
    'env/lib/installed.py': '',
    'node_modules/x/y.py': '',
    '.next/z.py': '',
    'configure.mjs': `
import { withAmphis } from ${JSON.stringify(pathToFileURL(join(import.meta.dirname, '../dist/next.js')).href)}
console.log(JSON.stringify((await withAmphis()('phase-production-build', {})).outputFileTracingIncludes))
`,
  })
  const { stdout } = await runIn(t, folder, ['configure.mjs'])
  const { '/*': files } = JSON.parse(stdout) as { '/*': string[] }
  t.deepEqual(files.toSorted(), ['./app/deep/module.py', './main.py'])
})

test('where there is no Node.js it says so', async (t) => {
  const { exports } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
    exports: Record<string, Record<string, { default: string }>>
  }
  const edge = (await import(new URL(`../${exports['./next']!['edge-light']!.default}`, import.meta.url).href)) as {
    amphis: () => void
    withAmphis: () => void
  }
  t.throws(() => edge.amphis(), { code: 'AMPHIS_ERR_BINDING', message: /Remove `export const runtime = 'edge'`/ })
  t.is(edge.withAmphis, edge.amphis)
})
