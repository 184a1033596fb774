import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import test from 'ava'
import { amphis } from '../lib/vite.js'
import { pythonProject } from './helpers/python-project.js'
import { python } from './helpers/python.js'

interface Vite {
  build(options: object): Promise<unknown>
  createServer(
    options: object,
  ): Promise<{ ssrLoadModule(url: string): Promise<Record<string, unknown>>; close(): Promise<void> }>
}

/** It is in a project of its own. */
const host = createRequire(fileURLToPath(new URL('hosts/vite/package.json', import.meta.url)))
const { build } = (await import(pathToFileURL(host.resolve('vite')).href)) as Vite

const FILES = {
  'ml/model.py': 'LIMIT = 3\ndef predict(rows): return sum(rows)\ndef tokens():\n    yield 1\n    yield 2\n',
  'src/server.ts': `
import { predict, tokens, LIMIT } from '../ml/model.py'
export async function answer(): Promise<unknown[]> {
  const all: unknown[] = [LIMIT, await predict([1, 2])]
  for await (const token of tokens()) all.push(token)
  return all
}
if (process.env.RUN) console.log(JSON.stringify(await answer()))
`,
}

const common = { logLevel: 'silent', configFile: false } as const

test('what Vite has built for the server calls Python', async (t) => {
  const { folder, node } = await pythonProject(t, FILES)
  const plugins = [amphis({ modules: { python } })]
  await build({ ...common, root: folder, plugins, build: { ssr: 'src/server.ts', outDir: 'dist' } })
  const built = await readFile(join(folder, 'dist/server.js'), 'utf8')
  t.regex(built, /from ["']amphis\/modules["']/)
  const run = ['--import', 'data:text/javascript,process.env.RUN="1"', 'dist/server.js']
  t.like(await node(...run), { code: 0, stdout: '[3,3,1,2]\n', stderr: '' })
})

test('its server of development has them, and has them anew after a change', async (t) => {
  const { node } = await pythonProject(t, {
    ...FILES,
    'serve.mjs': `
import { writeFile } from 'node:fs/promises'
import { createServer } from ${JSON.stringify(pathToFileURL(host.resolve('vite')).href)}
import { amphis } from 'amphis/vite'
const server = await createServer({ logLevel: 'silent', configFile: false, plugins: [amphis()], server: { middlewareMode: true } })
const first = await server.ssrLoadModule('/src/server.ts')
console.log(JSON.stringify(await first.answer()))
await writeFile('ml/model.py', 'LIMIT = 4\\ndef predict(rows): ...\\ndef tokens(): ...\\n')
const limit = async () => (await server.ssrLoadModule('/ml/model.py')).LIMIT
// Vite has seen it some time after it was written.
while ((await limit()) !== 4) await new Promise(setImmediate)
console.log(await limit())
await server.close()
process.exit()
`,
  })
  t.like(await node('serve.mjs'), { code: 0, stdout: '[3,3,1,2]\n4\n', stderr: '' })
})

test('the browser cannot have them, and a file that is no Python is an error with its place', async (t) => {
  const { folder } = await pythonProject(t, {
    ...FILES,
    'index.html': '<script type="module" src="/src/client.ts"></script>',
    'src/client.ts': "import { predict } from '../ml/model.py'\nvoid predict()",
    'src/broken.ts': "import './syntax.py'",
    'src/syntax.py': '\ndef f(:\n',
  })
  const plugins = [amphis({ modules: { python } })]
  const browser = await t.throwsAsync(build({ ...common, root: folder, plugins }))
  t.regex(browser.message, /ml\/model\.py cannot be imported by the browser: Python runs on the server/)
  const broken = await t.throwsAsync(build({ ...common, root: folder, plugins, build: { ssr: 'src/broken.ts' } }))
  t.regex(broken.message, /syntax\.py:2:7: /)
})
