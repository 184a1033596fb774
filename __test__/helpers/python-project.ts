import { spawn } from 'node:child_process'
import { mkdir, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ExecutionContext } from 'ava'
import { type Exit, NodeProcess } from './node-process.js'
import { python } from './python.js'
import { scratchFolder } from './scratch.js'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** A folder with these files in which `amphis` is a package. */
export async function pythonProject(t: ExecutionContext, files: Readonly<Record<string, string>>) {
  const folder = await scratchFolder(t, { 'package.json': '{ "type": "module" }', ...files })
  await mkdir(join(folder, 'node_modules'))
  await symlink(root, join(folder, 'node_modules/amphis'))
  return {
    folder,
    path: (name: string) => join(folder, name),
    /** Runs Node in it to its end. */
    node: (...args: string[]) => runIn(t, folder, args),
  }
}

/** Runs Node in a folder, with the suite's Python. */
export function runIn(t: ExecutionContext, cwd: string, args: string[], env: NodeJS.ProcessEnv = {}): Promise<Exit> {
  const { NODE_OPTIONS: _, ...own } = process.env
  const child = spawn(process.execPath, args, { cwd, env: { ...own, AMPHIS_PYTHON: python, ...env } })
  t.teardown(() => child.kill('SIGKILL'))
  return new NodeProcess(child, 'now').ends()
}
