import { cpus, platform, release, totalmem } from 'node:os'
import { setTimeout as wait } from 'node:timers/promises'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { installedVersion } from './node-peers.js'
import { root } from './paths.js'
import { runCommand } from './run-command.js'
import type { Python } from './python.js'

/** What a reader needs to know of where and with what the figures were taken. */
export interface Machine {
  readonly date: string
  readonly cpu: string
  readonly cores: number
  readonly memoryGiB: number
  readonly system: string
  readonly versions: Readonly<Record<string, string>>
}

export async function describeMachine(python: Python): Promise<Machine> {
  const peers = ['express', '@platformatic/python-node', 'http-proxy', 'node-calls-python', 'pymport', 'pythonia']
  const installed = await Promise.all(peers.map(async (name) => [name, await installedVersion(name)] as const))
  const wanted = [
    'fastapi',
    'pydantic',
    'starlette',
    'uvicorn',
    'uvloop',
    'httptools',
    'websockets',
    'wsproto',
    'granian',
    'hypercorn',
    'flask',
    'a2wsgi',
    'numpy',
    'pythonmonkey',
    'javascript',
    'mangum',
  ]
  return {
    date: new Date().toISOString(),
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: `${platform()} ${release()}`,
    versions: {
      amphis: await amphisVersion(),
      node: process.versions.node,
      ws: await versionIn('node_modules/ws/package.json'),
      python: python.version,
      ...Object.fromEntries(installed.map(([name, version]) => [name, version ?? 'missing'])),
      ...Object.fromEntries(wanted.map((name) => [name, python.packages[name] ?? 'missing'])),
    },
  }
}

/** A warning where other programs already use a good part of the machine: what they do within a second. */
export async function busyWarning(): Promise<string | undefined> {
  const before = cpuTimes()
  await wait(1_000)
  const after = cpuTimes()
  const busy = (after.busy - before.busy) / (after.all - before.all)
  return busy > 1 / 4
    ? `The machine is busy (${Math.round(busy * 100)} % of ${cpus().length} cores): these figures say little.`
    : undefined
}

function cpuTimes(): { busy: number; all: number } {
  const times = cpus().map((cpu) => cpu.times)
  const all = times.flatMap(Object.values<number>).reduce((sum, time) => sum + time, 0)
  return { busy: all - times.reduce((sum, { idle }) => sum + idle, 0), all }
}

/** A warning where the addon has a section of debug information, as a debug build does. */
export async function debugBuildWarning(): Promise<string | undefined> {
  const addon = (await readdir(root)).find((name) => /^amphis\..*\.node$/.test(name))
  return addon !== undefined && (await readFile(join(root, addon))).includes('\0.debug_info\0')
    ? `${addon} is a debug build ("npm run build" makes a release build): amphis' figures say little.`
    : undefined
}

async function amphisVersion(): Promise<string> {
  const version = await versionIn('package.json')
  const commit = await runCommand(['git', 'rev-parse', '--short', 'HEAD'], { cwd: root }).then(
    ({ stdout }) => ` (${stdout.trim()})`,
    () => '',
  )
  return version + commit
}

async function versionIn(file: string): Promise<string> {
  return (JSON.parse(await readFile(join(root, file), 'utf8')) as { version: string }).version
}
