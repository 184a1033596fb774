import { existsSync, readdirSync, rmSync } from 'node:fs'
import { fingerprint, readStamp, writeStamp } from './fingerprint.mjs'
import { linkerProblem, rustProblem } from './machine.mjs'
import { fetchProblem } from './network.mjs'
import { inRoot, root } from './paths.mjs'
import { colourEnv, run } from './run.mjs'

/** @typedef {'release' | 'debug'} Profile */

/** Whether there is an addon for this platform; its name ends in the C library where there is more than one. */
const hasAddon = () =>
  readdirSync(root).some(
    (name) => name.startsWith(`amphis.${process.platform}-${process.arch}`) && name.endsWith('.node'),
  )

const stampFile = inRoot('.cache', 'addon.json')
// The engine in src/engine is built by itself.
const inRust = readdirSync(inRoot('src')).filter((name) => name !== 'engine')
const inputs = [
  ...inRust.map((name) => `src/${name}`),
  'Cargo.toml',
  'build.rs',
  'rust-toolchain.toml',
  '.cargo/config.toml',
]

/** @param {Profile} profile */
const sources = (profile) => fingerprint(inputs, profile, process.platform, process.arch)

// Apart from the sources: cargo may complete the lock file while it builds.
const lock = () => fingerprint(['Cargo.lock'])

/** Undefined functions of CPython are resolved when the addon is loaded, so no Python is needed to build it. */
export const buildEnv = { PYO3_NO_PYTHON: '1', PYO3_PYTHON: undefined }

/**
 * The addon with its generated loader, `binding.cjs`, and types, `binding.d.cts`.
 *
 * @param {Profile} profile
 * @returns {import('./setup.mjs').Step}
 */
export function addon(profile) {
  return {
    title: `Building the addon (${profile}; the first time takes a minute or two)`,
    isDone() {
      const stamp = /** @type {{ sources?: string, lock?: string } | undefined} */ (readStamp(stampFile))
      return (
        stamp?.sources === sources(profile) &&
        stamp.lock === lock() &&
        existsSync(inRoot('binding.cjs')) &&
        existsSync(inRoot('binding.d.cts')) &&
        hasAddon()
      )
    },
    async problems() {
      const rust = await rustProblem()
      return [rust, await linkerProblem()].flatMap((problem) => problem ?? [])
    },
    async run() {
      const built = sources(profile)
      rmSync(stampFile, { force: true })
      const args = ['build', '--platform', '--js', 'binding.cjs', '--dts', 'binding.d.cts']
      if (profile === 'release') args.push('--release')
      const { code, output } = await run(inRoot('node_modules/.bin/napi'), args, { env: { ...colourEnv, ...buildEnv } })
      if (code !== 0) throw fetchProblem('the build of the addon', output)
      writeStamp(stampFile, { sources: built, lock: lock() })
    },
  }
}
