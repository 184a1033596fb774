// Small questions to the file system.
import { constants } from 'node:fs'
import { access, lstat, stat } from 'node:fs/promises'
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

async function isReadable(path: string): Promise<boolean> {
  try {
    await access(path, constants.R_OK)
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

/** The first of the paths that this user can read. */
export async function firstReadable(paths: readonly string[]): Promise<string | undefined> {
  for (const path of paths) {
    if (await isReadable(path)) {
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
