import { existsSync, rmSync } from 'node:fs'
import { fingerprint, readStamp, writeStamp } from './fingerprint.mjs'
import { inRoot } from './paths.mjs'
import { Problem } from './problem.mjs'
import { colourEnv, run } from './run.mjs'

const stampFile = inRoot('.cache', 'typescript.json')
const inputs = ['lib', 'tsconfig.json', 'tsconfig.build.json', 'package-lock.json', 'binding.d.cts']

/**
 * `lib/` compiled to `dist/`.
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
    writeStamp(stampFile, compiled)
  },
}
