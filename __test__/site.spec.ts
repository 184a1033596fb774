import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { program } from './helpers/command-line.js'
import { environmentBeside } from './helpers/compiled.js'
import { runNode } from './helpers/node-process.js'
import { start } from './helpers/plain-python.js'
import { fixtures, loop, testOptions } from './helpers/python.js'
import { scratchFolder } from './helpers/scratch.js'

// What `site` imports runs before all else: agents that watch, measure, debug. It has to be as in plain Python, and to
// run on its own libraries although Node exports others.

const folder = join(fixtures, 'agent')
const paths = `${folder}\n${fixtures}\n`

interface Started {
  /** Folder of the environment. */
  environment: string
  env: NodeJS.ProcessEnv
}

/** The ways in which `site` comes to import something. */
const ways: Record<string, (t: ExecutionContext) => Promise<Started>> = {
  'a .pth file': async (t) => {
    const { environment, packages } = await fresh(t)
    await writeFile(join(packages, 'a.pth'), paths)
    await writeFile(join(packages, 'b.pth'), 'import agent\n')
    return { environment, env: {} }
  },
  'sitecustomize of the environment': async (t) => {
    const { environment, packages } = await fresh(t)
    await writeFile(join(packages, 'a.pth'), paths)
    await writeFile(join(packages, 'sitecustomize.py'), 'import agent\n')
    return { environment, env: {} }
  },
  'sitecustomize on PYTHONPATH': async (t) => {
    const { environment } = await fresh(t)
    const PYTHONPATH = [await scratchFolder(t, { 'sitecustomize.py': 'import agent\n' }), folder, fixtures].join(':')
    return { environment, env: { PYTHONPATH } }
  },
  usercustomize: async (t) => {
    const { environment, packages } = await fresh(t, '--system-site-packages')
    await writeFile(join(packages, 'a.pth'), paths)
    const base = await scratchFolder(t)
    const own = join(base, 'lib', dirname(packages).split('/').at(-1)!, 'site-packages')
    await mkdir(own, { recursive: true })
    await writeFile(join(own, 'usercustomize.py'), 'import agent\n')
    return { environment, env: { PYTHONUSERBASE: base } }
  },
}

async function fresh(t: ExecutionContext, ...options: string[]): Promise<{ environment: string; packages: string }> {
  const environment = join(await scratchFolder(t), 'environment')
  return { environment, ...(await environmentBeside(environment, ...options)) }
}

const known = { KNOWN_TO_THE_TEST: 'a value' }

/** What a script finds under `python`, or `amphis run`. */
async function script(
  t: ExecutionContext,
  command: readonly [string, ...string[]],
  options: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<{ agent: { child: unknown } | null; site: boolean }> {
  const run = start(t, [...command, ...options, join(folder, 'started.py')], { env: { ...env, ...known }, stdin: '' })
  const { code, signal, stdout, stderr } = await run.ends()
  t.is(signal ?? code, 0, stderr)
  t.is(stderr, '')
  return JSON.parse(stdout) as { agent: { child: unknown } | null; site: boolean }
}

for (const [way, prepare] of Object.entries(ways)) {
  test(`what ${way} imports runs as under python`, async (t) => {
    const { environment, env } = await prepare(t)
    const run = [process.execPath, program, 'run', '--python', environment] as const
    const expected = await script(t, [join(environment, 'bin', 'python')], [], env)
    t.deepEqual(expected.agent?.child, [0, 'piped'])
    t.deepEqual(await script(t, run, [], env), expected)

    const child = runNode(
      t,
      testOptions({ app: 'started:app', appDir: folder, python: environment, loop }),
      `const handler = new PythonHandler(options)
       console.log(await (await handler.handle({ url: '/' })).text())
       await handler.close()`,
      // Of the tests' own variables, Python is to see none.
      { env: { PYTHONDONTWRITEBYTECODE: '', ...env, ...known } },
    )
    const { code, signal, stdout, stderr } = await child.ends()
    t.is(signal ?? code, 0, stderr)
    t.deepEqual(JSON.parse(stdout), expected)
  })
}

for (const [options, site, agent] of [
  [['-I'], true, true],
  [['-S'], false, false],
  [['-S', '-I'], false, false],
  [['-E'], true, true],
  [['-s'], true, true],
  [['-B', '-O', '-X', 'utf8'], true, true],
] as const) {
  test(`${options.join(' ')} does to what site imports what it does under python`, async (t) => {
    const { environment, env } = await ways['sitecustomize of the environment']!(t)
    const run = [process.execPath, program, 'run', '--python', environment] as const
    const expected = await script(t, [join(environment, 'bin', 'python')], options, env)
    t.is(expected.site, site)
    t.is(expected.agent !== null, agent)
    t.deepEqual(await script(t, run, options, env), expected)
  })
}
