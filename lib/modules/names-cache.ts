// Keeps the names of files: in this process, and in `node_modules/.cache` for the next one.
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Name } from './name.js'

/** What tells whether a file is as it was. */
export interface State {
  mtimeMs: number
  size: number
}

/** Changes when the names of a file would be others. */
const FORMAT = 1

interface Entry {
  format: number
  file: string
  mtimeMs: number
  size: number
  names: Name[]
}

const inProcess = new Map<string, Entry>()

/** The names of a file that is as it was when they were read. */
export function kept(file: string, { mtimeMs, size }: State): readonly Name[] | undefined {
  const isSame = (entry: Entry | undefined): entry is Entry =>
    entry !== undefined &&
    entry.format === FORMAT &&
    entry.file === file &&
    entry.mtimeMs === mtimeMs &&
    entry.size === size
  const known = inProcess.get(file)
  if (isSame(known)) return known.names
  const stored = load(file)
  if (!isSame(stored)) return undefined
  inProcess.set(file, stored)
  return stored.names
}

export function keep(file: string, { mtimeMs, size }: State, names: readonly Name[]): void {
  const entry: Entry = { format: FORMAT, file, mtimeMs, size, names: [...names] }
  inProcess.set(file, entry)
  const path = pathOf(file)
  if (path === undefined) return
  try {
    mkdirSync(dirname(path), { recursive: true })
    const draft = `${path}.${process.pid}.tmp`
    writeFileSync(draft, JSON.stringify(entry))
    renameSync(draft, path)
  } catch {
    // Where it cannot be written it is read again the next time.
  }
}

function load(file: string): Entry | undefined {
  const path = pathOf(file)
  try {
    return path === undefined ? undefined : (JSON.parse(readFileSync(path, 'utf8')) as Entry)
  } catch {
    return undefined
  }
}

/** In the nearest `node_modules`; undefined where there is none. */
function pathOf(file: string): string | undefined {
  for (let folder = dirname(file); ; folder = dirname(folder)) {
    const packages = join(folder, 'node_modules')
    if (existsSync(packages)) {
      const name = createHash('sha256').update(file).digest('hex').slice(0, 32)
      return join(packages, '.cache', 'amphis', `${name}.json`)
    }
    if (dirname(folder) === folder) return undefined
  }
}
