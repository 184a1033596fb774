import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fingerprint, readStamp, writeStamp } from './fingerprint.mjs'
import { inRoot } from './paths.mjs'
import { Problem } from './problem.mjs'
import { colourEnv, run } from './run.mjs'
import { dim, say } from './say.mjs'

/**
 * A Node.js that an engine is built for.
 *
 * @typedef {object} EngineTarget
 * @property {string} version
 * @property {string} abi the number of its binary interface, as `process.versions.modules`
 * @property {string | undefined} headers the folder of `node.h`; undefined where there are none
 */

const sources = 'src/engine'

/** @param {string} abi */
const fileOf = (abi) => `engine-${abi}.${process.platform === 'darwin' ? 'dylib' : 'so'}`

/** @param {string} abi */
const stampOf = (abi) => inRoot('.cache', 'engines', `${abi}.json`)

/** What V8 and Node are built with themselves: neither exceptions nor type information are there to be used. */
const flags = [
  '-std=c++20',
  '-O2',
  '-fPIC',
  '-fno-exceptions',
  '-fno-rtti',
  '-fvisibility=hidden',
  '-Wall',
  '-Wextra',
  '-Werror',
]
const linking =
  process.platform === 'darwin'
    ? ['-dynamiclib', '-undefined', 'dynamic_lookup']
    : ['-shared', '-static-libgcc', '-Wl,-z,now']

/** @param {EngineTarget} target */
const made = (target) => fingerprint([sources], target.version, process.platform, process.arch, ...flags, ...linking)

/**
 * The folder of `node.h` beside a Node.js: in its own prefix, as in all of its releases.
 *
 * @param {string} program
 */
function headersBeside(program) {
  const folder = resolve(dirname(program), '..', 'include/node')
  return existsSync(join(folder, 'node.h')) ? folder : undefined
}

/** @type {EngineTarget} */
export const ownTarget = {
  version: process.versions.node,
  abi: process.versions.modules,
  headers: headersBeside(process.execPath),
}

/**
 * @param {string} program a Node.js
 * @returns {Promise<EngineTarget>}
 */
export async function targetOf(program) {
  const shown = 'process.versions.node + " " + process.versions.modules'
  const { code, output } = await run(program, ['-p', shown], { quiet: true })
  const [version, abi] = output.trim().split(' ')
  if (code !== 0 || !version || !abi) throw new Problem(`${program} does not run (${output.trim()})`, 'remove it')
  return { version, abi, headers: headersBeside(program) }
}

/** The first C++ compiler that runs. */
async function compiler() {
  const named = process.env.CXX
  for (const name of named ? [named] : ['c++', 'g++', 'clang++']) {
    const { code } = await run(name, ['--version'], { quiet: true })
    if (code === 0) return name
  }
  return undefined
}

/**
 * What keeps the engine of a Node.js from being built here.
 *
 * @param {EngineTarget} target
 * @returns {Promise<string | undefined>} in words that follow "no engine for it: "
 */
async function obstacle({ version, headers }) {
  if (headers === undefined) {
    return `Node.js ${version} has no headers beside it (include/node, as all releases of nodejs.org have)`
  }
  return (await compiler()) === undefined
    ? 'there is no C++ compiler (`c++` does not run; on Debian it is in the package g++)'
    : undefined
}

/**
 * The engine of isolated runtimes for one Node.js. A machine that cannot build it does without: `amphis.js` says then that
 * there is none, and all else works.
 *
 * @param {EngineTarget} target
 * @returns {import('./setup.mjs').Step}
 */
export function engine(target) {
  const file = fileOf(target.abi)
  return {
    title: `Building the engine of amphis.js for Node.js ${target.version} (${file})`,
    isDone() {
      const stamp = /** @type {{ made?: string } | undefined} */ (readStamp(stampOf(target.abi)))
      return stamp?.made === made(target) && existsSync(inRoot(file))
    },
    async problems() {
      return []
    },
    async run() {
      const missing = await obstacle(target)
      if (missing !== undefined) {
        // One of other sources would be worse than none.
        rmSync(inRoot(file), { force: true })
        say(dim(`  left out: ${missing}. Everything but amphis.js works without.`))
        return
      }
      const wanted = made(target)
      const unit = unitOf(target.abi)
      const args = [...flags, ...linking, '-isystem', String(target.headers), '-I', inRoot(sources)]
      // Under another name first: a process may have the old one open.
      const building = inRoot(`${file}.new`)
      const { code } = await run(String(await compiler()), [...args, '-o', building, unit], { env: colourEnv })
      if (code !== 0) throw new Problem(`the engine for Node.js ${target.version} does not compile`, 'see above')
      await run('mv', ['-f', building, inRoot(file)])
      writeStamp(stampOf(target.abi), { made: wanted })
    },
  }
}

/** Addresses and what C++ leaves undefined; there are no types to look at. */
const sanitizers = ['-fsanitize=address,undefined', '-fno-sanitize=vptr', '-fno-omit-frame-pointer', '-g', '-O1']

/**
 * The engine of the Node.js at hand, with the compiler's sanitizers in it, and the libraries that a process must load first.
 *
 * @param {string} folder where it is put
 * @returns {Promise<string[]>}
 */
export async function buildSanitized(folder) {
  const missing = await obstacle(ownTarget)
  if (missing !== undefined) throw new Problem(`no engine can be built: ${missing}`, 'install what is missing')
  const cxx = String(await compiler())
  // The sanitizers' own code confuses some warnings; the engine proper is built with all of them.
  const args = [...flags.filter((flag) => !/^-(?:W|O2)/.test(flag)), '-w', ...sanitizers, '-shared']
  const file = join(folder, fileOf(ownTarget.abi))
  const including = ['-isystem', String(ownTarget.headers), '-I', inRoot(sources)]
  const { code } = await run(cxx, [...args, ...including, '-o', file, unitOf(ownTarget.abi)], { env: colourEnv })
  if (code !== 0) throw new Problem('the engine does not compile with sanitizers', 'see above')
  const libraries = await Promise.all(
    ['libasan.so', 'libubsan.so'].map(async (name) => run(cxx, [`-print-file-name=${name}`], { quiet: true })),
  )
  return libraries.map(({ output }) => output.trim())
}

/**
 * All sources as one: most of the time goes into the headers.
 *
 * @param {string} abi
 */
function unitOf(abi) {
  const folder = inRoot('.cache', 'engines')
  mkdirSync(folder, { recursive: true })
  const names = readdirSync(inRoot(sources)).filter((name) => name.endsWith('.cc'))
  const unit = join(folder, `${abi}.cc`)
  writeFileSync(
    unit,
    names
      .toSorted()
      .map((name) => `#include "${inRoot(sources, name)}"\n`)
      .join(''),
  )
  return unit
}
