import { existsSync, rmSync } from 'node:fs'
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
const entries = ['index', 'config', 'cli/main', 'cli/workers/child', 'cli/reload/child', 'cli/reload/configure-child']

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

/**
 * `lib/` compiled and bundled to `dist/`, with a declaration file for each of its files.
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
    await bundle()
    writeStamp(stampFile, compiled)
  },
}
