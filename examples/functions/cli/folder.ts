/** The files of a folder that is deployed, without what is installed or made. */
import { readdir, readFile } from 'node:fs/promises'
import { basename, join, relative, resolve } from 'node:path'
import { Failure } from './client.js'

const LEFT_OUT = new Set(['node_modules', '.git', '.venv', '__pycache__', '.python', '.env', '.DS_Store'])

export async function filesOf(folder: string): Promise<Record<string, { base64: string }>> {
  const files: Record<string, { base64: string }> = {}
  const walk = async (path: string): Promise<void> => {
    for (const entry of await readdir(path, { withFileTypes: true })) {
      if (LEFT_OUT.has(entry.name)) continue
      const full = join(path, entry.name)
      if (entry.isDirectory()) await walk(full)
      else if (entry.isFile()) files[relative(folder, full)] = { base64: (await readFile(full)).toString('base64') }
      else throw new Failure(`${full} is neither a file nor a folder: links are not deployed`)
    }
  }
  await walk(folder).catch((error: NodeJS.ErrnoException) => {
    throw error.code === 'ENOENT' || error.code === 'ENOTDIR' ? new Failure(`${folder} is no folder`) : error
  })
  return files
}

/** `./My Function` is `my-function`. */
export const nameOf = (folder: string): string =>
  basename(resolve(folder))
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^[^a-z]+|-+$/g, '')
