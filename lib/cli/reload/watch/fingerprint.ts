// Whether what Python has started from is as it was: then a spare process is still good.
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'

/** What `site` reads in a folder of `sys.path` when Python starts. */
const READ_AT_START = /\.pth$|^(?:site|user)customize(?:\.py)?$/

/** A folder of installed packages: what is there decides, for one, whether there is uvloop. */
const PACKAGES = /-packages$/

/** The state of files and folders. */
export interface Fingerprint {
  /** Stays the same as long as they do. */
  readonly state: string
  /** When the last of them was changed, in milliseconds of the epoch. */
  readonly changedAt: number
}

/**
 * The state of what Python was started from: as long as it stays the same, another start would come to the same.
 *
 * @param sources paths, which need not exist
 */
export async function fingerprint(sources: readonly string[]): Promise<Fingerprint> {
  const entries = (await Promise.all(sources.map(describe))).flat()
  return {
    state: entries.map(({ line }) => line).join('\n'),
    changedAt: Math.max(0, ...entries.map(({ changedAt }) => changedAt)),
  }
}

interface Entry {
  line: string
  changedAt: number
}

async function describe(path: string): Promise<Entry[]> {
  const found = await stat(path).catch(() => undefined)
  if (found === undefined) return [{ line: `${path} -`, changedAt: 0 }]
  const { ino, size, ctimeMs } = found
  // The last change also of what an archive has given an old date.
  const own = { line: `${path} ${ino} ${size} ${ctimeMs}`, changedAt: ctimeMs }
  if (!found.isDirectory()) return [own]
  const names = (await readdir(path).catch(() => [])).filter((name) => READ_AT_START.test(name)).toSorted()
  const files = await Promise.all(names.map((name) => describe(join(path, name))))
  return PACKAGES.test(path) ? [own, ...files.flat()] : files.flat()
}
