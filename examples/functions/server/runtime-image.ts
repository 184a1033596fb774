/** Builds the image that functions run in: a base, the runtime, amphis. */
import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { createRequire } from 'node:module'
import { Readable } from 'node:stream'
import type Docker from 'dockerode'
import { followBuild, tarOf } from './docker-streams.js'

export const RUNTIME_IMAGE = 'amphis-functions-runtime:latest'

export interface RuntimeImageOptions {
  docker: Docker
  /** What `npm run build` has made. */
  runtime: string
  /** The folder of the package amphis. */
  amphis: string
  /** Default: what the Dockerfile says. */
  base?: string | undefined
  /** Packages of Debian's that the base lacks; empty for none. Default: what the Dockerfile says. */
  packages?: string | undefined
  tag?: string
  progress: (line: string) => void
}

/** What the package needs in an image: its code and its addon; not its sources, pages and tests. */
const OF_AMPHIS = /\.(?:js|cjs|node)$|^package\.json$/

async function filesIn(folder: string): Promise<[string, Buffer][]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
  return Promise.all(
    paths.map(async (path): Promise<[string, Buffer]> => [path.slice(folder.length + 1), await readFile(path)]),
  )
}

/** Not through the whole folder: a checkout has much besides. */
async function filesOfAmphis(folder: string): Promise<[string, Buffer][]> {
  const top = (await readdir(folder, { withFileTypes: true })).filter((entry) => entry.isFile()).map(({ name }) => name)
  const files = await Promise.all(
    top
      .filter((name) => OF_AMPHIS.test(name))
      .map(async (name): Promise<[string, Buffer]> => [name, await readFile(join(folder, name))]),
  )
  for (const below of ['bin', 'dist', 'exports']) {
    for (const [path, bytes] of await filesIn(join(folder, below))) files.push([`${below}/${path}`, bytes])
  }
  return files
}

/** The packages that one depends on, and theirs. */
async function dependencies(folder: string, found = new Map<string, string>()): Promise<Map<string, string>> {
  const { dependencies: names = {} } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as {
    dependencies?: object
  }
  const require = createRequire(join(folder, 'package.json'))
  for (const name of Object.keys(names)) {
    if (found.has(name)) continue
    const path = dirname(
      (require.resolve.paths(name) ?? [])
        .map((place) => join(place, name, 'package.json'))
        .find((file) => existsSync(file)) ?? '',
    )
    found.set(name, path)
    await dependencies(path, found)
  }
  return found
}

export async function buildRuntimeImage(options: RuntimeImageOptions): Promise<string> {
  const { docker, runtime, amphis, base, packages, tag = RUNTIME_IMAGE, progress } = options
  const files: [string, Uint8Array | string][] = [...(await filesIn(runtime)), ['.container', '']]
  for (const [path, bytes] of await filesOfAmphis(amphis)) files.push([`node_modules/amphis/${path}`, bytes])
  for (const [name, folder] of await dependencies(amphis)) {
    for (const [path, bytes] of await filesIn(folder)) files.push([`node_modules/${name}/${path}`, bytes])
  }
  const buildargs = {
    ...(base === undefined ? {} : { BASE: base }),
    ...(packages === undefined ? {} : { PACKAGES: packages }),
  }
  const stream = await docker.buildImage(Readable.from([await tarOf(files)]), { t: tag, buildargs, forcerm: true })
  await followBuild(stream as unknown as Readable, progress)
  return tag
}
