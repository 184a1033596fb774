import { createHash } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { bench } from './paths.js'
import { runCommand } from './run-command.js'

/** The version of a package in `bench/node_modules`, or undefined when it is not there. */
export async function installedVersion(name: string): Promise<string | undefined> {
  try {
    const text = await readFile(join(bench, 'node_modules', name, 'package.json'), 'utf8')
    return (JSON.parse(text) as { version: string }).version
  } catch {
    return undefined
  }
}

/** Makes `bench/node_modules` hold exactly package-lock.json; does nothing when it already does. */
export async function prepareNodePeers(say: (line: string) => void): Promise<void> {
  const lock = await readFile(join(bench, 'package-lock.json'))
  const stamp = createHash('sha256').update(lock).digest('hex')
  const stampFile = join(bench, 'node_modules', '.bench-stamp')
  if ((await readFile(stampFile, 'utf8').catch(() => '')) === stamp) {
    return
  }
  say('setting up bench/node_modules: the peers that live in Node')
  try {
    // Without scripts: one peer's would rewrite its binary for whichever Python it happens upon first. Not `npm ci`,
    // which refuses a lock file without the other platforms' binaries, whether or not they were ever published.
    await runCommand(['npm', 'install', '--no-save', '--ignore-scripts', '--no-audit', '--no-fund'], { cwd: bench })
    await writeFile(stampFile, stamp)
  } catch (error) {
    say(`not installed, their contestants will show as missing: ${String(error)}`)
  }
}
