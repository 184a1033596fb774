import { createHash } from 'node:crypto'
import { mkdir, rename, writeFile } from 'node:fs/promises'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { cache } from '../harness/paths.js'

/** A file that holds a request's body: one of 256 KiB fits neither an argument nor a variable of the environment. */
export async function bodyFile(body: string): Promise<string> {
  const path = join(cache, `body-${createHash('sha256').update(body).digest('hex').slice(0, 16)}`)
  if (!existsSync(path)) {
    await mkdir(cache, { recursive: true })
    await writeFile(`${path}.part`, body, 'latin1')
    await rename(`${path}.part`, path)
  }
  return path
}
