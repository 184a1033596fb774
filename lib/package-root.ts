/**
 * The folder of this package. The one place that knows where its own file is: modules end up in files of other names and
 * folders than theirs when `lib/` is bundled.
 */
export const packageRoot = new URL('../', import.meta.url)

/** A program of this package, by its path in `lib/` without extension. */
export function programOf(path: string): URL {
  return new URL(`dist/${path}.js`, packageRoot)
}
