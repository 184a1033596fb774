import { readdirSync } from 'node:fs'
import { inRoot } from './paths.mjs'
import { roomProblems } from './room-files.mjs'
import { colourEnv, inColour, run } from './run.mjs'
import { rustRoomProblems } from './rust-rooms.mjs'
import { rustTestEnv } from './rust-test-env.mjs'
import { red, say } from './say.mjs'
import { venv } from './setup.mjs'
import { avaTotals, cargoTotals } from './test-totals.mjs'

/**
 * @typedef {object} Check
 * @property {string} name
 * @property {() => Promise<import('./run.mjs').RunResult>} run
 * @property {(output: string) => import('./test-totals.mjs').Totals} [totals] reads how many tests ran
 */

/** @param {string} name */
const bin = (name) => inRoot('node_modules/.bin', name)

/**
 * @param {string} name
 * @param {string} command
 * @param {string[]} args
 * @param {() => Promise<NodeJS.ProcessEnv>} [env]
 * @returns {Check}
 */
const check = (name, command, args, env = async () => ({})) => ({
  name,
  run: async () => run(command, args, { env: { ...colourEnv, ...(await env()) } }),
})

const ruff = inRoot('.venv/bin/ruff')
const clangFormat = inRoot('.venv/bin/clang-format')
const engineSources = () => {
  const folder = 'src/engine'
  return readdirSync(inRoot(folder))
    .filter((name) => /\.(?:cc|h)$/.test(name))
    .map((name) => inRoot(folder, name))
}
const prettierCheck = ['--check', '--log-level=warn']
const clippy = ['clippy', '--quiet', '--no-default-features']
const denyWarnings = ['-D', 'warnings']
const rustEnv = () => rustTestEnv(venv)

/** @type {Check} */
const rooms = {
  name: 'rooms',
  async run() {
    const problems = [...roomProblems(), ...rustRoomProblems()]
    for (const problem of problems) say(`${red('✖')} ${problem}`)
    return { code: problems.length > 0 ? 1 : 0, output: '' }
  },
}

/** What needs no compiler. */
export const quickChecks = [
  check('cargo fmt', 'cargo', ['fmt', '--check']),
  check('prettier', bin('prettier'), [...prettierCheck, '.']),
  check('oxlint', bin('oxlint'), ['--deny-warnings']),
  rooms,
  check('ruff check', ruff, ['check', '--quiet']),
  check('ruff format', ruff, ['format', '--check', '--quiet']),
  // Its compiler has all warnings on, as errors: the engine is built before anything is checked.
  check('clang-format', clangFormat, ['--dry-run', '-Werror', ...engineSources()]),
]

/**
 * The quick checks on some files only; `cargo fmt` knows no such limit.
 *
 * @param {string[]} files relative to the root
 * @returns {Check[]}
 */
export function quickChecksOf(files) {
  const having = (/** @type {RegExp} */ extension) => files.filter((file) => extension.test(file))
  const [rust, scripts, python] = [having(/\.rs$/), having(/\.([cm]?[jt]s)$/), having(/\.pyi?$/)]
  const cplusplus = having(/\.(?:cc|h)$/)
  return [
    rust.length > 0 && check('cargo fmt', 'cargo', ['fmt', '--check']),
    files.length > 0 && check('prettier', bin('prettier'), [...prettierCheck, '--ignore-unknown', ...files]),
    scripts.length > 0 &&
      check('oxlint', bin('oxlint'), ['--deny-warnings', '--no-error-on-unmatched-pattern', ...scripts]),
    files.length > 0 && rooms,
    python.length > 0 && check('ruff check', ruff, ['check', '--quiet', '--force-exclude', ...python]),
    python.length > 0 && check('ruff format', ruff, ['format', '--check', '--quiet', '--force-exclude', ...python]),
    cplusplus.length > 0 && check('clang-format', clangFormat, ['--dry-run', '-Werror', ...cplusplus]),
  ].filter((entry) => entry !== false)
}

/** The quick ones and what needs a compiler. */
export const lintChecks = [
  ...quickChecks,
  check('tsc', bin('tsc'), ['--noEmit']),
  check('tsc, scripts', bin('tsc'), ['-p', 'tsconfig.scripts.json']),
  check('clippy', 'cargo', [...clippy, '--', ...denyWarnings], rustEnv),
  // #[napi] leaves its exports out of test binaries, and then much that they call looks dead.
  check('clippy, tests', 'cargo', [...clippy, '--tests', '--', ...denyWarnings, '-A', 'dead_code'], rustEnv),
]

/**
 * What Node is told to run ava. Not told of colours by the environment: Node and Python processes that the tests start
 * would obey it too.
 *
 * @param {string[]} args
 */
export const avaArguments = (args) => [
  'node_modules/ava/entrypoints/cli.mjs',
  ...(inColour ? ['--color'] : []),
  ...args,
]

/**
 * ava on one Node.js.
 *
 * @param {string} node
 * @param {string[]} args
 * @param {NodeJS.ProcessEnv} [env]
 */
export const avaOn = (node, args, env) => run(node, avaArguments(args), { env })

/**
 * ava on the Node.js at hand.
 *
 * @param {string[]} args
 * @param {NodeJS.ProcessEnv} [env]
 */
export const ava = (args, env) => avaOn(process.execPath, args, env)

/** @type {Check[]} */
export const testChecks = [
  { ...check('cargo test', 'cargo', ['test', '--no-default-features'], rustEnv), totals: cargoTotals },
  { name: 'ava', run: () => ava([]), totals: avaTotals },
  check('package', process.execPath, [inRoot('scripts/test-package.mjs')]),
  {
    ...check('agent server', process.execPath, [inRoot('scripts/test-agent-server.mjs'), '--quick']),
    totals: avaTotals,
  },
]

export const formatters = [
  check('oxlint', bin('oxlint'), ['--fix']),
  check('ruff check', ruff, ['check', '--fix', '--quiet']),
  check('cargo fmt', 'cargo', ['fmt']),
  check('prettier', bin('prettier'), ['--write', '--log-level=warn', '.']),
  check('ruff format', ruff, ['format', '--quiet']),
  check('clang-format', clangFormat, ['-i', ...engineSources()]),
]
