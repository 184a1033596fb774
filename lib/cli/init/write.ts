import { mkdir, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { ServeError } from '../errors/serve-error.js'
import { shown } from '../text/shown.js'

/**
 * Writes files, of which none may be there.
 *
 * @param files their paths in the folder, and what is in them
 * @throws {ServeError} when one is there, or cannot be written; then nothing was written if that could be known before
 */
export async function writeAll(folder: string, files: ReadonlyMap<string, string>): Promise<void> {
  const taken: string[] = []
  for (const path of files.keys()) {
    if (await isThere(join(folder, path))) taken.push(path)
  }
  if (taken.length > 0) {
    throw new ServeError(
      `In ${shown(folder)} there is already ${list(taken)}, and nothing is overwritten. Choose another folder, or move ${taken.length === 1 ? 'it' : 'them'} away.`,
    )
  }
  for (const [path, text] of files) {
    const file = join(folder, path)
    try {
      await makeFolder(dirname(file))
      await writeFile(file, text, { flag: 'wx' })
    } catch (error) {
      throw new ServeError(`${shown(file)} cannot be written: ${reason(error)}. Choose another folder.`, {
        cause: error,
      })
    }
  }
}

/** Node's own `recursive` tries for ever where a folder is there and takes no other, as in /proc. */
async function makeFolder(path: string): Promise<void> {
  if (await isThere(path)) return
  await makeFolder(dirname(path))
  await mkdir(path)
}

async function isThere(path: string): Promise<boolean> {
  try {
    await stat(path)
    return true
  } catch (error) {
    // What cannot be looked at is said when it is written.
    return !['ENOENT', 'ENOTDIR', 'EACCES', 'ENAMETOOLONG'].includes((error as NodeJS.ErrnoException).code ?? '')
  }
}

function list(names: readonly string[]): string {
  return names.length === 1 ? names[0]! : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`
}

function reason(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException
  const reasons: Record<string, string> = {
    EACCES: 'this user may not write there',
    EPERM: 'this user may not write there',
    ENOENT: 'no folder can be made there',
    EROFS: 'the file system is read-only',
    ENOSPC: 'the disk is full',
    EEXIST: 'there is a file of that name',
    ENOTDIR: 'what should be its folder is a file',
    ENAMETOOLONG: 'the name is too long',
  }
  return reasons[code ?? ''] ?? message
}
