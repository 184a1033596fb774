import { createHash } from 'node:crypto'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { cache } from './paths.js'

/** 64 KiB that look random and are the same in every run: what streams repeat, and what static files hold. */
export const chunk: Buffer = Buffer.concat(
  Array.from({ length: 2048 }, (_, i) => createHash('sha256').update(`chunk ${i}`).digest()),
)

/** Puts the chunk where servers look for it. */
export async function prepareSmallFile(): Promise<string> {
  const path = join(cache, '64-kib.bin')
  if (!(await readFile(path).catch(() => Buffer.alloc(0))).equals(chunk)) {
    await mkdir(cache, { recursive: true })
    await writeFile(`${path}.part`, chunk)
    await rename(`${path}.part`, path)
  }
  return path
}
