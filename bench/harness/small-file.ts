import { createHash } from 'node:crypto'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { cache } from './paths.js'

/** 64 KiB that look random and are the same in every run: what streams repeat, and what static files hold. */
export const chunk: Buffer = Buffer.concat(
  Array.from({ length: 2048 }, (_, i) => createHash('sha256').update(`chunk ${i}`).digest()),
)

/** Static files, by name: what apps send in one piece, and what is just too large for that. */
export const smallFiles: Readonly<Record<'10-kib.bin' | '64-kib.bin', Buffer>> = {
  '10-kib.bin': chunk.subarray(0, 10 * 1024),
  '64-kib.bin': chunk,
}

/** Puts them where servers look for them; gives the place of the chunk. */
export async function prepareSmallFiles(): Promise<string> {
  for (const [name, content] of Object.entries(smallFiles)) {
    const path = join(cache, name)
    if (!(await readFile(path).catch(() => Buffer.alloc(0))).equals(content)) {
      await mkdir(cache, { recursive: true })
      await writeFile(`${path}.part`, content)
      await rename(`${path}.part`, path)
    }
  }
  return join(cache, '64-kib.bin')
}
