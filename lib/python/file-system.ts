// Small questions to the file system.
import { constants } from 'node:fs'
import { access, lstat, readlink, stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'

/** Whether something is there, through symbolic links. */
export async function exists(path: string): Promise<boolean> {
  try {
    await access(path)
    return true
  } catch {
    return false
  }
}

export async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory()
  } catch {
    return false
  }
}

export async function isExecutableFile(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK)
    return (await stat(path)).isFile()
  } catch {
    return false
  }
}

/** Whether a name is taken, if only by a symbolic link that leads nowhere. */
export async function isTaken(path: string): Promise<boolean> {
  try {
    await lstat(path)
    return true
  } catch {
    return false
  }
}

/** Where a chain of symbolic links breaks off; the path itself when it is no link. */
export async function brokenTarget(path: string): Promise<string> {
  let current = path
  // As many links as the kernel follows; a loop ends here too.
  for (let hops = 0; hops < 40; hops++) {
    try {
      current = resolve(dirname(current), await readlink(current))
    } catch {
      break
    }
  }
  return current
}

/** The first of the paths that exists. */
export async function firstExisting(paths: readonly string[]): Promise<string | undefined> {
  for (const path of paths) {
    if (await exists(path)) {
      return path
    }
  }
  return undefined
}

/** A folder and those above it, up to the root. */
export function* upwards(folder: string): Generator<string> {
  for (let current = resolve(folder); ; current = dirname(current)) {
    yield current
    if (dirname(current) === current) {
      return
    }
  }
}
