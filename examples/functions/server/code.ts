/** The files of a function: from JSON, a multipart form or a zip, checked before anything is written anywhere. */
import { posix } from 'node:path'
import { unzipSync } from 'fflate'
import { ProblemError } from './problem.js'
import type { CodeFiles } from './types.js'

const MAX_BYTES = 50_000_000
const MAX_FILES = 5_000

const refuse = (code: string, message: string) => new ProblemError(422, code, message)

/** A path as it is kept; what leaves the folder, or is no path on some system, is refused. */
export function checkedPath(path: string): string {
  const normal = posix.normalize(path)
  const escapes = normal === '..' || normal.startsWith('../') || posix.isAbsolute(path) || /^[A-Za-z]:/.test(path)
  // Control characters and backslashes mean other things elsewhere.
  // eslint-disable-next-line no-control-regex
  const isOdd = path === '' || normal === '.' || /[\u0000-\u001F\\]/.test(path) || Buffer.byteLength(path) > 500
  if (escapes || path.split('/').includes('..'))
    throw refuse('path', `${JSON.stringify(path)} leads out of the function's folder`)
  if (isOdd) throw refuse('path', `${JSON.stringify(path)} is no path of a file`)
  return normal
}

/** Collects files; two of one path, and a file where a folder is, are refused. */
export class CodeCollector {
  readonly files: CodeFiles = new Map()
  #bytes = 0

  add(path: string, bytes: Uint8Array): void {
    const name = checkedPath(path)
    if (this.files.has(name)) throw refuse('path', `${JSON.stringify(name)} is there twice`)
    const folders = name.split('/').map((_part, index, parts) => parts.slice(0, index).join('/'))
    const taken = folders.find((folder) => this.files.has(folder))
    if (taken || [...this.files.keys()].some((other) => other.startsWith(`${name}/`))) {
      throw refuse('path', `${JSON.stringify(name)} is a file and a folder`)
    }
    this.#bytes += bytes.length
    this.files.set(name, bytes)
    if (this.files.size > MAX_FILES) throw refuse('too-large', `the code has more than ${MAX_FILES} files`)
    if (this.#bytes > MAX_BYTES) throw refuse('too-large', `the code has more than ${MAX_BYTES} bytes`)
  }

  /** What a zip holds. Sizes that its directory names are added up before anything is unpacked. */
  addZip(zip: Uint8Array): void {
    let total = 0
    let entries: Record<string, Uint8Array>
    try {
      entries = unzipSync(zip, {
        filter: ({ name, originalSize }) => {
          total += originalSize
          if (total > MAX_BYTES) throw refuse('too-large', `the zip unpacks to more than ${MAX_BYTES} bytes`)
          if (name.endsWith('/')) {
            checkedPath(name.replace(/\/+$/, ''))
            return false
          }
          checkedPath(name)
          return true
        },
      })
    } catch (error) {
      if (error instanceof ProblemError) throw error
      throw refuse('zip', `the zip cannot be read: ${(error as Error).message}`)
    }
    for (const [name, bytes] of Object.entries(entries)) this.add(name, bytes)
  }

  finish(): CodeFiles {
    if (this.files.size === 0) throw refuse('empty', 'the function has no files: give "files" or "zip"')
    return this.files
  }
}
