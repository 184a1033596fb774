import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fingerprint, readStamp, writeStamp } from './fingerprint.mjs'
import { inRoot } from './paths.mjs'
import { Problem } from './problem.mjs'
import { colourEnv, run } from './run.mjs'

const stampFile = inRoot('.cache', 'typescript.json')
const inputs = [
  'lib',
  'scripts/lib/typescript.mjs',
  'tsconfig.json',
  'tsconfig.build.json',
  'package-lock.json',
  'binding.d.cts',
]

/** What is loaded from outside: by users, as a program, or by the scripts here. */
const entries = [
  'index',
  'config',
  'modules',
  'register',
  'esbuild',
  'vite',
  'fastify',
  'koa',
  'nest',
  'hono',
  'aws-lambda',
  'next',
  'modules/hooks',
  'modules/names-program',
  'dev/child',
  'cli/main',
  'cli/workers/child',
  'cli/reload/child',
  'cli/reload/configure-child',
]

// Node takes most of a millisecond for each file that it loads: a few are loaded where there were fifty.
async function bundle() {
  // What runs before the packages are installed imports this file too.
  const { build } = await import('esbuild')
  await build({
    entryPoints: entries.map((entry) => inRoot('lib', `${entry}.ts`)),
    outbase: inRoot('lib'),
    outdir: inRoot('dist'),
    bundle: true,
    splitting: true,
    // In dist/ itself, where lib/package-root.ts believes to be.
    chunkNames: '[name]-[hash]',
    packages: 'external',
    platform: 'node',
    format: 'esm',
    target: 'node20.19',
    legalComments: 'none',
    logLevel: 'warning',
  })
}

/** What code under test may require where it cannot be given ES modules: without what needs packages that are such. */
const required = ['index', 'config', 'modules', 'fastify', 'koa', 'hono', 'next']

/** All of it in one file, so that there is one of each class and one state. */
async function bundleRequired() {
  const { build } = await import('esbuild')
  await build({
    stdin: {
      contents: required.map((entry) => `export * as ${entry} from './${entry}.js'`).join('\n'),
      resolveDir: inRoot('lib'),
      loader: 'ts',
    },
    outfile: inRoot('dist/required.cjs'),
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'cjs',
    target: 'node20.19',
    define: { 'import.meta.url': 'importMetaUrl' },
    banner: { js: "const importMetaUrl = require('node:url').pathToFileURL(__filename).href" },
    legalComments: 'none',
    logLevel: 'warning',
  })
}

/** What users import has types; `register` is imported for what it does. */
export const publicEntries = [
  'index',
  'config',
  'modules',
  'esbuild',
  'vite',
  'fastify',
  'koa',
  'hono',
  'aws-lambda',
  'nest',
  'next',
]

const specifiers = /(?<=\bfrom '|\bimport\(')(\.[^']*)\.js(?=')/g

/**
 * Leaves the declarations that the public ones need, as those of CommonJS: both kinds of modules can import them, and a
 * class is then the same to either. An import of anything but Node.js' own modules would need types that a user may not
 * have.
 */
function publishDeclarations() {
  /** @type {Map<string, string>} */
  const kept = new Map()
  /** @param {string} path */
  const keep = (path) => {
    if (kept.has(path)) return
    const text = readFileSync(`${path}.d.ts`, 'utf8')
    kept.set(path, text.replaceAll(specifiers, '$1.cjs'))
    // Not what the comments show.
    const code = text.replaceAll(/\/\*[^]*?\*\//g, '')
    const [, direct, within] =
      /^(?:import|export)\b.* from '((?!node:|\.)[^']+)'|import\('((?!node:|\.)[^']+)'/m.exec(code) ?? []
    const stranger = direct ?? within
    if (stranger) throw new Problem(`the types of ${path} need those of ${stranger}`, 'keep them out of what is public')
    for (const [, specifier = ''] of text.matchAll(specifiers)) keep(join(dirname(path), specifier))
  }
  for (const entry of publicEntries) keep(inRoot('dist', entry))
  for (const { name, parentPath } of readdirSync(inRoot('dist'), { recursive: true, withFileTypes: true })) {
    if (name.endsWith('.d.ts')) rmSync(join(parentPath, name))
  }
  for (const [path, text] of kept) writeFileSync(`${path}.d.cts`, text)
}

/**
 * `lib/` compiled and bundled to `dist/`, with declarations for what is public.
 *
 * @type {import('./setup.mjs').Step}
 */
export const typescript = {
  title: 'Compiling TypeScript',
  isDone: () => readStamp(stampFile) === fingerprint(inputs) && existsSync(inRoot('dist/index.js')),
  async problems() {
    return []
  },
  async run() {
    const compiled = fingerprint(inputs)
    // What a deleted source left behind would be packed and published.
    rmSync(inRoot('dist'), { recursive: true, force: true })
    const { code } = await run(inRoot('node_modules/.bin/tsc'), ['-p', 'tsconfig.build.json'], { env: colourEnv })
    if (code !== 0) throw new Problem('lib/ does not compile', "TypeScript's own message is above")
    publishDeclarations()
    await bundle()
    await bundleRequired()
    writeStamp(stampFile, compiled)
  },
}
