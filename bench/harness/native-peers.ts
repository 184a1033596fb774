import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { installedVersion } from './node-peers.js'
import { bench } from './paths.js'
import type { Python } from './python.js'
import { runCommand } from './run-command.js'

/** Peers whose addon is compiled for one Python, by the command that compiles it in the package's own folder. */
const builds: Readonly<Record<string, readonly [string, ...string[]]>> = {
  'node-calls-python': ['npm', 'exec', '--no', '--', 'node-gyp', 'rebuild'],
  // Without the step that would download a binary first.
  pymport: ['npm', 'exec', '--no', '--', 'node-pre-gyp', 'configure', 'build', '--build-from-source'],
}

const stampFile = join(bench, 'node_modules', '.bench-native-peers.json')

interface Stamp {
  readonly of: string
  /** Why a peer could not be compiled. */
  readonly problems: Readonly<Record<string, string>>
}

/** Compiles the peers that are addons in C++ for the interpreter of all the others; once for each interpreter. */
export async function prepareNativePeers(python: Python, say: (line: string) => void): Promise<void> {
  const versions = await Promise.all(Object.keys(builds).map(installedVersion))
  const of = createHash('sha256')
    .update(JSON.stringify([versions, process.version, python.version, python.basePrefix]))
    .digest('hex')
  if ((await readStamp()).of === of) {
    return
  }
  const problems: Record<string, string> = {}
  for (const [name, command] of Object.entries(builds)) {
    if ((await installedVersion(name)) !== undefined) {
      say(`compiling ${name} for Python ${python.version}`)
      const cwd = join(bench, 'node_modules', name)
      await runCommand(await withNodeGyp(command), { cwd, env: buildEnvironment(python) }).catch((error: unknown) => {
        problems[name] = `does not compile here: ${firstError(String(error))}`
      })
    }
  }
  await writeFile(stampFile, JSON.stringify({ of, problems } satisfies Stamp))
}

/** Why a peer of these cannot run, or undefined. */
export async function nativePeerProblem(name: string): Promise<string | undefined> {
  return (await readStamp()).problems[name]
}

async function readStamp(): Promise<Stamp> {
  try {
    return JSON.parse(await readFile(stampFile, 'utf8')) as Stamp
  } catch {
    return { of: '', problems: {} }
  }
}

/** npm brings a node-gyp of its own, beside the `node` that runs; it is on no PATH. */
async function withNodeGyp(command: readonly [string, ...string[]]): Promise<readonly [string, ...string[]]> {
  const { stdout } = await runCommand(['npm', 'root', '-g'])
  const own = join(stdout.trim(), 'npm', 'node_modules', 'node-gyp', 'bin', 'node-gyp.js')
  return command.includes('node-gyp') && existsSync(own) ? [process.execPath, own, 'rebuild'] : command
}

function buildEnvironment(python: Python): NodeJS.ProcessEnv {
  // Both ask `python3-config` and pkg-config for the Python that they are built for.
  return {
    ...process.env,
    PATH: [join(python.basePrefix, 'bin'), process.env['PATH']].join(delimiter),
    PKG_CONFIG_PATH: [join(python.basePrefix, 'lib', 'pkgconfig'), process.env['PKG_CONFIG_PATH'] ?? '']
      .filter((folder) => folder !== '')
      .join(delimiter),
    // Headers that came with Node, where they did: nothing is downloaded then.
    ...(existsSync(join(process.execPath, '..', '..', 'include', 'node', 'node.h')) && {
      npm_config_nodedir: join(process.execPath, '..', '..'),
    }),
  }
}

function firstError(printed: string): string {
  const lines = printed.split('\n').map((line) => line.trim())
  return (lines.find((line) => /\berror\b/i.test(line)) ?? lines.at(-1) ?? '').slice(0, 200)
}
