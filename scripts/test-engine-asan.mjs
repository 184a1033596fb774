// npm run test:engine-asan: the tests of isolated runtimes on an engine that was built with AddressSanitizer and
// UndefinedBehaviorSanitizer. Node.js itself has neither: they see what the engine does, and all of malloc's memory.
import { copyFileSync, cpSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { buildSanitized } from './lib/engine.mjs'
import { inRoot } from './lib/paths.mjs'
import { main } from './lib/problem.mjs'
import { runAll, summarise } from './lib/report.mjs'
import { run } from './lib/run.mjs'
import { setUp } from './lib/setup.mjs'

/** Signals stay V8's, whose WebAssembly needs them; Node.js frees less than it takes when it ends. */
const asanOptions = 'detect_leaks=0:handle_segv=0:handle_sigbus=0:handle_sigfpe=0:allow_user_segv_handler=1'

/** A package beside the sanitized engine: the addon looks for the engine in its own folder. */
function packageIn(/** @type {string} */ folder) {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  for (const name of ['bin', 'dist', 'exports', 'template', 'python'])
    cpSync(inRoot(name), join(folder, name), { recursive: true })
  const files = readdirSync(inRoot('.')).filter((name) => /^(?:package\.json|.*\.(?:c?js|node))$/.test(name))
  for (const name of files) copyFileSync(inRoot(name), join(folder, name))
  symlinkSync(inRoot('node_modules'), join(folder, 'node_modules'))
}

await main(async () => {
  await setUp()
  const folder = inRoot('.cache', 'asan')
  packageIn(folder)
  const libraries = await buildSanitized(folder)
  const env = {
    LD_PRELOAD: libraries.join(':'),
    ASAN_OPTIONS: asanOptions,
    UBSAN_OPTIONS: 'halt_on_error=1:print_stacktrace=1',
  }
  const amphisRun = [join(folder, 'bin/amphis.js'), 'run', '--python', inRoot('.venv')]
  const check = (/** @type {string} */ name, /** @type {string[]} */ args) => ({
    name,
    run: async () => run(process.execPath, [...amphisRun, ...args], { env, cwd: inRoot('fixtures/js') }),
  })
  const programs = /** @type {[string, string, string][]} */ (
    JSON.parse(readFileSync(inRoot('fixtures/js/hostile.json'), 'utf8'))
  )
  // Runtimes in processes of their own are not meant: nothing is loaded before those.
  const tests = readdirSync(inRoot('fixtures/js')).filter((name) => /^test_(?!process)/.test(name))
  const outcomes = await runAll([
    // Without this one, all the others would say nothing.
    check('the sanitizers are there', [
      '-c',
      'from amphis import js; js.Runtime(); maps = open("/proc/self/maps").read(); assert "libasan" in maps and "/.cache/asan/engine-" in maps',
    ]),
    ...tests.map((name) => check(name, ['-m', 'pytest', '-q', '-p', 'no:cacheprovider', name])),
    check('escapes.py', ['escapes.py']),
    ...programs.map(([name], number) => check(`hostile: ${name}`, ['hostile.py', String(number)])),
  ])
  summarise(outcomes)
  return outcomes.every(({ ok }) => ok) ? 0 : 1
})
