// Which frames of a traceback are the user's own, and which a library's.
import type { PythonFrame } from '../base/errors.js'

const PACKAGES = /[/\\](?:site|dist)-packages[/\\]([^/\\]+)/
const STANDARD_LIBRARY = /[/\\]lib(?:64)?[/\\]python3\.\d+t?[/\\]([^/\\]+)/
/** Made up by Python or a library: `<frozen runpy>`, `<string>`, `<amphis>/_amphis.py`. */
const NO_FILE = /^<(?:frozen )?([^>.]*)/

/**
 * The library that a frame is of, by its top-level name, such as `starlette` or `json`; `undefined` for code of the
 * user's.
 *
 * @param app `module:attribute`, whose package is the user's own wherever it is installed
 */
export function libraryOf({ file }: Pick<PythonFrame, 'file'>, app = ''): string | undefined {
  const name = (PACKAGES.exec(file) ?? STANDARD_LIBRARY.exec(file) ?? NO_FILE.exec(file))?.[1]?.replace(/\.pyc?$/, '')
  return name === undefined || name === app.split(/[.:]/, 1)[0] ? undefined : name
}

/** Frames that belong together: one of the user's, or all of libraries between two of those. */
export type FrameRun =
  { readonly frame: PythonFrame } | { readonly frames: readonly PythonFrame[]; readonly libraries: readonly string[] }

/**
 * Parts the frames of an exception, so that those of libraries can be folded. Where none is the user's, the last one
 * stands for it: that is where it was raised.
 */
export function runsOf(frames: readonly PythonFrame[], app?: string): FrameRun[] {
  const runs: FrameRun[] = []
  const isShown = (frame: PythonFrame): boolean => libraryOf(frame, app) === undefined
  const last = frames.some(isShown) ? undefined : frames.at(-1)
  let folded: PythonFrame[] = []
  const unfold = (): void => {
    if (folded.length > 0) {
      const libraries = [...new Set(folded.map((frame) => libraryOf(frame, app) ?? ''))]
      runs.push({ frames: folded, libraries })
      folded = []
    }
  }
  for (const frame of frames) {
    if (isShown(frame) || frame === last) {
      unfold()
      runs.push({ frame })
    } else {
      folded.push(frame)
    }
  }
  unfold()
  return runs
}

/** How many frames there are, with those that stand for more. */
export function countOf(frames: readonly PythonFrame[]): number {
  return frames.reduce((sum, { repeated = 0, omitted = 0 }) => sum + 1 + repeated + omitted, 0)
}
