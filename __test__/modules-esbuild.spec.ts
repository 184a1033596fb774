import { cp, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import type * as Esbuild from 'esbuild'
import { pythonModules, type PythonModulesOptions } from '../lib/esbuild.js'
import { runIn, pythonProject } from './helpers/python-project.js'
import { python } from './helpers/python.js'

// The loader of the tests does not see what its module exports.
const { build, context } = createRequire(import.meta.url)('esbuild') as typeof Esbuild

const FILES = {
  'ml/model.py': 'LIMIT = 3\ndef predict(rows): return sum(rows)\ndef where(): return __name__\ndef unused(): ...\n',
  'src/server.ts': `
import { predict, where, LIMIT } from '../ml/model.py'
const found: unknown[] = [LIMIT, await predict([1, 2]), await where()]
console.log(JSON.stringify(found))
`,
  'src/common.ts': `
import { predict, LIMIT } from '../ml/model.py'
void predict([1, 2]).then((sum: number) => console.log(JSON.stringify([LIMIT, sum])))
`,
}

async function bundle(t: ExecutionContext, own: Esbuild.BuildOptions = {}, options: PythonModulesOptions = {}) {
  const project = await pythonProject(t, FILES)
  await build({
    absWorkingDir: project.folder,
    entryPoints: ['src/server.ts'],
    bundle: true,
    platform: 'node',
    format: 'esm',
    outdir: 'dist',
    logLevel: 'silent',
    plugins: [pythonModules({ python, ...options })],
    ...own,
  })
  return project
}

test('what esbuild has built calls Python, wherever it is started', async (t) => {
  const { folder, node, path } = await bundle(t)
  t.like(await node('dist/server.js'), { code: 0, stdout: '[3,3,"model"]\n', stderr: '' })
  t.like(await runIn(t, join(folder, 'node_modules'), [path('dist/server.js')]), { stdout: '[3,3,"model"]\n' })
})

test('as CommonJS, minified, in pieces', async (t) => {
  const common = await bundle(t, { format: 'cjs', entryPoints: ['src/common.ts'], outExtension: { '.js': '.cjs' } })
  t.like(await common.node('dist/common.cjs'), { code: 0, stdout: '[3,3]\n', stderr: '' })
  const pieces = await bundle(t, {
    entryPoints: ['src/server.ts', 'src/common.ts'],
    minify: true,
    splitting: true,
    chunkNames: 'deep/down/[hash]',
  })
  t.like(await pieces.node('dist/server.js'), { code: 0, stdout: '[3,3,"model"]\n', stderr: '' })
  t.like(await pieces.node('dist/common.js'), { code: 0, stdout: '[3,3]\n', stderr: '' })
})

test('appDir is the folder that the modules are imported from', async (t) => {
  const { node } = await bundle(t, {}, { appDir: '.' })
  t.like(await node('dist/server.js'), { code: 0, stdout: '[3,3,"ml.model"]\n', stderr: '' })
})

test('deployed elsewhere: the files beside it, or where configure() says; else it says what is missing', async (t) => {
  const { folder, path } = await pythonProject(t, {
    ...FILES,
    'src/configured.ts': `
import { configure } from 'amphis/modules'
import { where } from '../ml/model.py'
if (process.env.ROOT) configure({ root: process.env.ROOT, appDir: process.env.APP_DIR })
console.log(await where().catch((error: Error) => error.message))
`,
  })
  const options = {
    absWorkingDir: folder,
    entryPoints: ['src/configured.ts'],
    outdir: 'out/built',
    bundle: true,
    logLevel: 'silent',
  } satisfies Esbuild.BuildOptions
  await build({ ...options, platform: 'node', format: 'esm', plugins: [pythonModules({ python })] })
  // Away from the project: only what was built, and its packages.
  const { folder: elsewhere } = await pythonProject(t, {})
  await cp(path('out'), join(elsewhere, 'out'), { recursive: true })
  const run = async (env: NodeJS.ProcessEnv = {}) =>
    (await runIn(t, '/', [join(elsewhere, 'out/built/configured.js')], env)).stdout
  t.regex(await run(), /^There is no ml\/model\.py in .*built or a folder above it\. Deploy the files of Python/)
  t.is(await run({ ROOT: folder }), 'model\n')
  t.is(await run({ ROOT: folder, APP_DIR: folder }), 'ml.model\n')
  await cp(path('ml'), join(elsewhere, 'ml'), { recursive: true })
  t.is(await run(), 'model\n')
})

test('a file that is no Python, or no module: errors with their place', async (t) => {
  const { folder } = await pythonProject(t, {
    ...FILES,
    'syntax.py': '\ndef f(:\n',
    'wrong.ts': "import './syntax.py'\nimport './x-y.py'",
    'x-y.py': '',
  })
  const failed = await t.throwsAsync<Esbuild.BuildFailure & Error>(
    build({
      absWorkingDir: folder,
      entryPoints: ['wrong.ts'],
      bundle: true,
      write: false,
      logLevel: 'silent',
      plugins: [pythonModules({ python })],
    }),
  )
  const errors = failed.errors.map(({ text, location }) => [text, location?.file, location?.line, location?.column])
  t.is(errors.length, 2)
  t.deepEqual(errors.find(([, file]) => file === 'syntax.py')?.slice(1), ['syntax.py', 2, 6])
  t.true(errors.some(([text]) => /x-y\.py cannot be imported: x-y is no name of Python's/.test(String(text))))
})

test('a name that is not there is named, with the nearest', async (t) => {
  const { folder } = await pythonProject(t, {
    ...FILES,
    'wrong.ts': "import { predct } from './ml/model.py'\nconsole.log(predct)",
  })
  const plugins = [pythonModules({ python })]
  const failed = await t.throwsAsync<Esbuild.BuildFailure & Error>(
    build({
      absWorkingDir: folder,
      entryPoints: ['wrong.ts'],
      bundle: true,
      write: false,
      logLevel: 'silent',
      plugins,
    }),
  )
  t.regex(failed.message, /wrong\.ts:1:9: ERROR: No matching export in "ml\/model\.py" for import "predct"/)
})

test('a change of the file is a change of the bundle', async (t) => {
  const { folder, path } = await pythonProject(t, { ...FILES, 'app.js': "export * from './ml/model.py'" })
  const rebuilt = await context({
    absWorkingDir: folder,
    entryPoints: ['app.js'],
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'node',
    plugins: [pythonModules({ python })],
  })
  t.teardown(() => rebuilt.dispose())
  const text = async () => (await rebuilt.rebuild()).outputFiles[0]?.text ?? ''
  t.regex(await text(), /as predict/)
  await writeFile(path('ml/model.py'), 'def renamed(): ...\n')
  t.regex(await text(), /as renamed/)
})
