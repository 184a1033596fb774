import { rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import test from 'ava'
import { bundledProject, GREETING, hostPackage } from '../helpers/bundled.js'

// Bundlers, with amphis left out of the bundle, and with it in. esbuild is in `bundlers.spec.ts`.

interface Stats {
  hasErrors(): boolean
  toString(): string
}
const webpack = hostPackage('bundlers')('webpack') as (
  options: object,
  done: (error: Error | null, stats: Stats) => void,
) => void
const { rollup } = hostPackage('bundlers')('rollup') as {
  rollup(options: object): Promise<{ write(options: object): Promise<unknown> }>
}
const ncc = hostPackage('bundlers')('@vercel/ncc') as (
  entry: string,
  options: object,
) => Promise<{ code: string; assets: object }>
const { build: vite } = (await import(pathToFileURL(hostPackage('vite').resolve('vite')).href)) as {
  build(options: object): Promise<unknown>
}

type Project = Awaited<ReturnType<typeof bundledProject>>

const isCommonJs = (name: string): boolean => name.endsWith('.cjs')

async function byWebpack({ folder, path }: Project, entry: string, isExternal: boolean): Promise<string> {
  const kind = isCommonJs(entry) ? 'commonjs' : 'module'
  const filename = `out${isCommonJs(entry) ? '.cjs' : '.mjs'}`
  const options = {
    context: folder,
    mode: 'production',
    target: 'node20',
    entry: path(entry),
    output: { path: folder, filename, ...(kind === 'module' && { module: true, chunkFormat: 'module' }) },
    experiments: { outputModule: kind === 'module' },
    externals: isExternal ? { amphis: `${kind} amphis` } : {},
  }
  const stats = await new Promise<Stats>((resolve, reject) => {
    webpack(options, (error, done) => (error ? reject(error) : resolve(done)))
  })
  if (stats.hasErrors()) throw new Error(stats.toString())
  return filename
}

async function byRollup({ path }: Project, external: RegExp[]): Promise<string> {
  const resolver = { name: 'resolver', resolveId: (id: string) => resolvedIn(path('server.mjs'), id) }
  const commonJs = { name: 'CommonJS', transform: (code: string, id: string) => (isCommonJs(id) ? 'export {}' : code) }
  const bundle = await rollup({
    input: path('server.mjs'),
    external,
    plugins: [resolver, commonJs],
    onLog: () => {},
  })
  await bundle.write({ file: path('out.mjs'), format: 'es', inlineDynamicImports: true })
  return 'out.mjs'
}

/** As its plugin does it that finds packages. */
function resolvedIn(from: string, id: string): string | undefined {
  return id === 'amphis' ? join(dirname(from), 'node_modules/amphis/index.js') : undefined
}

async function byNcc({ path }: Project, entry: string, externals: string[]): Promise<string> {
  const { code } = await ncc(path(entry), { externals, quiet: true, cache: false })
  const out = isCommonJs(entry) ? 'out.cjs' : 'out.mjs'
  await writeFile(path(out), code)
  return out
}

async function byVite({ folder }: Project, ssr: object): Promise<string> {
  const build = { ssr: 'server.mjs', outDir: 'built' }
  await vite({ root: folder, configFile: false, logLevel: 'silent', ssr, build })
  return 'built/server.js'
}

const bundlers: Record<
  string,
  [out: (project: Project) => Promise<string>, bundledIn: (project: Project) => Promise<string>, says: RegExp]
> = {
  'webpack, modules': [
    (p) => byWebpack(p, 'server.mjs', true),
    (p) => byWebpack(p, 'server.mjs', false),
    /by webpack, .*: externals: \{ amphis: 'commonjs amphis' \}, or 'module amphis'/,
  ],
  'webpack, CommonJS': [
    (p) => byWebpack(p, 'server.cjs', true),
    (p) => byWebpack(p, 'server.cjs', false),
    /by webpack, .*: externals: \{ amphis: 'commonjs amphis' \}, or/,
  ],
  'ncc, modules': [
    (p) => byNcc(p, 'server.mjs', ['amphis']),
    (p) => byNcc(p, 'server.mjs', []),
    /by ncc, .*: --external amphis\./,
  ],
  'ncc, CommonJS': [
    (p) => byNcc(p, 'server.cjs', ['amphis']),
    (p) => byNcc(p, 'server.cjs', []),
    /by ncc, .*: --external amphis\./,
  ],
  Rollup: [(p) => byRollup(p, [/^amphis/]), (p) => byRollup(p, []), /: external: \[\/\^amphis\/\] for Rollup/],
  Vite: [
    (p) => byVite(p, { external: ['amphis'] }),
    (p) => byVite(p, { noExternal: true }),
    /by Vite, .*: ssr: \{ external: \['amphis'\] \}/,
  ],
}

for (const [name, [out, bundledIn, says]] of Object.entries(bundlers)) {
  test(`${name}: it is left out where that is asked for`, async (t) => {
    const project = await bundledProject(t)
    t.like(await project.run(await out(project)), GREETING)
  })

  test(`${name}: bundled in, it says in one line how it is left out`, async (t) => {
    const project = await bundledProject(t)
    const file = await bundledIn(project)
    // Where the package is not, as on the machine that it runs on.
    await rm(project.path('node_modules'), { recursive: true })
    const { stdout } = await project.run(file)
    t.regex(stdout, /^AMPHIS_ERR_BINDING amphis was bundled by [^\n]+\.\n$/)
    t.regex(stdout, says)
  })
}
