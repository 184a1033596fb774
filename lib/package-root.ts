// Where the package and its programs are.
import { fileURLToPath } from 'node:url'

/**
 * The folder of this package. The one place that knows where its own file is: modules end up in files of other names and
 * folders than theirs when `lib/` is bundled.
 */
export const packageRoot = new URL('../', import.meta.url)

/** The path of a program of this package, by its path in `lib/` without extension. */
export function programOf(path: string): string {
  return fileURLToPath(new URL(`dist/${path}.js`, packageRoot))
}

/** The path of a program in Python of this package, which Python runs as a folder. */
export function pythonProgramOf(name: string): string {
  return fileURLToPath(new URL(`python/${name}`, packageRoot))
}
