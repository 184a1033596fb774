// Writes a file at once, where it has changed.
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { ServeError } from '../errors/serve-error.js'
import { shown } from '../text/shown.js'

/**
 * @returns what was done, for the user
 * @throws {ServeError} when it cannot be written
 */
export async function writeText(file: string, text: string): Promise<string> {
  if ((await readFile(file, 'utf8').catch(() => undefined)) === text) return `${shown(file)}: nothing to do`
  try {
    await mkdir(dirname(file), { recursive: true })
    // At once: others may be watching.
    const draft = `${file}.${process.pid}.tmp`
    await writeFile(draft, text)
    await rename(draft, file)
  } catch (error) {
    throw new ServeError(`${shown(file)} cannot be written (${(error as Error).message}).`, { cause: error })
  }
  return `${shown(file)} is written`
}
