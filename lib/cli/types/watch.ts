// `amphis types --watch`: again when a file of Python changes.
import { dirname, resolve } from 'node:path'
import { warn } from '../log/report.js'
import { FileFilter } from '../reload/watch/file-filter.js'
import { Watcher } from '../reload/watch/watcher.js'
import { locateModule } from '../../modules/location.js'

/** How long it must be quiet after a change, in milliseconds. */
const DELAY = 50

/**
 * Watches until a signal ends the process. A change of a module that was named has that one written again; a change of
 * another may change what each of them imports.
 *
 * @param since when those were read that are there, in milliseconds of the epoch
 */
export async function watchFiles(
  files: readonly string[],
  { appDir, since }: { appDir: string | undefined; since: number },
  write: (files: readonly string[]) => Promise<unknown>,
): Promise<void> {
  const folders = files.map((file) => (appDir === undefined ? folderOf(file) : resolve(appDir)))
  const filter = new FileFilter({
    'app-dir': '.',
    'reload-dir': folders,
    'reload-include': [],
    'reload-exclude': [],
  })
  let waiting = new Set<string>()
  let isWriting = false
  const writeWaiting = async (): Promise<void> => {
    if (isWriting) return
    isWriting = true
    while (waiting.size > 0) {
      const all = waiting
      waiting = new Set()
      await write([...all])
    }
    isWriting = false
  }
  const watcher = new Watcher({
    filter,
    files: files.map((file) => resolve(file)),
    delay: DELAY,
    since,
    onChange: (paths) => {
      const own = files.filter((file) => paths.includes(resolve(file)))
      for (const file of paths.every((path) => own.some((each) => resolve(each) === path)) ? own : files) {
        waiting.add(file)
      }
      void writeWaiting()
    },
    onWarning: warn,
  })
  console.log(`Watching ${files.length === 1 ? '1 file' : `${files.length} files`}; Ctrl+C ends it`)
  await new Promise<never>(() => {})
  watcher.close()
}

function folderOf(file: string): string {
  try {
    return locateModule(file).appDir
  } catch {
    return dirname(resolve(file))
  }
}
