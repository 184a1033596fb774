import { existsSync, statSync } from 'node:fs'
import { join, relative, resolve, sep } from 'node:path'
import { UsageError } from '../../errors/usage-error.js'
import type { OptionValues } from '../../options/table.js'
import { type Glob, parseGlob } from './glob.js'

/** Folders that hold other people's code, or none. */
const FOREIGN = new Set(['node_modules', 'venv', '__pycache__', 'site-packages'])

/** Which files are watched: `*.py` and what `--reload-include` adds, below some folders, less `--reload-exclude`. */
export class FileFilter {
  /** The folders to watch, absolute; none of them within another. */
  readonly folders: readonly string[]
  /** Those, and the ones within them that were named as well. */
  readonly #named: readonly string[]
  readonly #included: readonly Glob[]
  readonly #excluded: readonly Glob[]
  readonly #excludedFolders: ReadonlySet<string>

  /** @throws {UsageError} when a folder does not exist, or a pattern is none */
  constructor(options: Pick<OptionValues, 'app-dir' | 'reload-dir' | 'reload-include' | 'reload-exclude'>) {
    const named = options['reload-dir'].length > 0 ? options['reload-dir'] : [options['app-dir']]
    for (const folder of named) {
      if (!isFolder(folder)) {
        const option = options['reload-dir'].length > 0 ? '--reload-dir' : '--app-dir'
        throw new UsageError(`There is no folder ${folder} to watch. Name one that exists with ${option}.`)
      }
    }
    const { 'reload-include': included, 'reload-exclude': excluded } = options
    // As in uvicorn, each of the two may be a folder instead.
    this.#named = [...named, ...included.filter(isFolder)].map((folder) => resolve(folder))
    this.folders = outermost(this.#named)
    this.#included = included.filter((pattern) => !isFolder(pattern)).map((glob) => toGlob('--reload-include', glob))
    this.#excludedFolders = new Set(excluded.filter(isFolder).map((folder) => resolve(folder)))
    this.#excluded = excluded
      .filter((pattern) => !isFolder(pattern))
      // What excludes all in a folder excludes the folder.
      .map((pattern) => toGlob('--reload-exclude', pattern.replace(/(?<=[^/])(?:\/\*{0,2})+$/, '')))
  }

  /** Whether a folder is looked into at all. */
  enters(folder: string): boolean {
    // On the way to one that was named, whatever the name of this one.
    if (this.#named.some((watched) => isWithin(watched, folder))) return true
    if (this.#excludedFolders.has(folder) || matches(this.#excluded, folder)) return false
    const name = folder.slice(folder.lastIndexOf(sep) + 1)
    if (matches(this.#included, folder)) return true
    return !name.startsWith('.') && !FOREIGN.has(name) && !existsSync(join(folder, 'pyvenv.cfg'))
  }

  /** Whether a file in such a folder is watched. */
  watches(file: string): boolean {
    if (matches(this.#excluded, file)) return false
    return matches(this.#included, file) || /(?:^|[/\\])[^/\\.][^/\\]*\.py$/.test(file)
  }
}

function matches(globs: readonly Glob[], path: string): boolean {
  return globs.some((glob) => glob(path))
}

function toGlob(option: string, pattern: string): Glob {
  // Relative to the working directory where it says so.
  const located = /^\.{1,2}\//.test(pattern) ? resolve(pattern) : pattern
  const glob = parseGlob(located)
  if (glob === undefined) {
    throw new UsageError(`${option} takes a pattern such as *.html or templates/*, not "${pattern}".`)
  }
  return glob
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true
}

function isWithin(path: string, folder: string): boolean {
  const way = relative(folder, path)
  return way !== '..' && !way.startsWith(`..${sep}`)
}

function outermost(folders: readonly string[]): string[] {
  return [...new Set(folders)].filter(
    (folder, _, all) => !all.some((other) => other !== folder && isWithin(folder, other)),
  )
}
