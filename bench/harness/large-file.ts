import { randomBytes } from 'node:crypto'
import { mkdir, rename, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { cache } from './paths.js'

/** A file of random bytes in `bench/.cache`, where the servers look for it; made unless it is there. */
export async function largeFile(mebibytes: number): Promise<string> {
  const path = join(cache, `${mebibytes}-mib.bin`)
  const size = mebibytes * 2 ** 20
  if ((await stat(path).catch(() => undefined))?.size !== size) {
    await mkdir(cache, { recursive: true })
    await writeFile(`${path}.part`, randomBytes(size))
    await rename(`${path}.part`, path)
  }
  return path
}
