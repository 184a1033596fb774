import { execFile } from 'node:child_process'
import { cp, mkdir, readdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { ExecutionContext } from 'ava'
import { platformName } from '../../lib/python/platform.js'
import { scratchFolder } from './scratch.js'

const run = promisify(execFile)
const root = fileURLToPath(new URL('../..', import.meta.url))

/** What npm would install beside it, of the packages that are here. */
const DEPENDENCIES = ['ws', 'chokidar', 'readdirp']

let publishedFiles: Promise<{ path: string }[]> | undefined

/** What npm would publish. */
async function readPublished(): Promise<{ path: string }[]> {
  const { stdout } = await run('npm', ['pack', '--json', '--dry-run', '--loglevel=silent'], { cwd: root })
  return (JSON.parse(stdout) as [{ files: { path: string }[] }])[0].files
}

/**
 * Puts amphis into the `node_modules` of a folder as npm would: the files that are published, the addon in a package of
 * its own, and what it depends on. What links the repository in its place would be found by tools that nobody has.
 */
export async function installInto(folder: string): Promise<void> {
  const modules = join(folder, 'node_modules')
  const own = join(modules, 'amphis')
  await mkdir(own, { recursive: true })
  await Promise.all(
    (await (publishedFiles ??= readPublished())).map(({ path }) => copy(join(root, path), join(own, path))),
  )
  await Promise.all(DEPENDENCIES.map((name) => cp(join(root, 'node_modules', name), join(modules, name), all)))
  const platform = platformName()
  const addon = join(modules, `amphis-${platform}`)
  await copy(join(root, 'npm', platform, 'package.json'), join(addon, 'package.json'))
  const built = (await readdir(root)).filter((name) => name === `amphis.${platform}.node`)
  await Promise.all(built.map((name) => copy(join(root, name), join(addon, name))))
}

const all = { recursive: true, dereference: true }

async function copy(from: string, to: string): Promise<void> {
  await mkdir(dirname(to), { recursive: true })
  await cp(from, to)
}

/** A folder with these files, in which amphis is installed. */
export async function installedProject(t: ExecutionContext, files: Readonly<Record<string, string>>): Promise<string> {
  const folder = await scratchFolder(t, { 'package.json': '{ "type": "module" }', ...files })
  await installInto(folder)
  return folder
}
