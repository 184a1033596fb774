// `amphis/esbuild`: bundles import files of Python.
import { relative, resolve } from 'node:path'
import { PythonSyntaxError } from './modules/names.js'
import { AMPHIS, bundledSource, PYTHON_FILE, type PythonModulesOptions } from './modules/plugin.js'

export type { PythonModulesOptions } from './modules/plugin.js'

/** A message as esbuild takes it. */
interface Message {
  text: string
  location?: { file: string; line: number; column: number } | null
}

interface LoadResult {
  contents?: string
  loader?: 'js'
  errors?: Message[]
  watchFiles?: string[]
}

/** What this needs of esbuild, whose own types a user may have in another version. */
interface Build {
  readonly initialOptions: { readonly absWorkingDir?: string | undefined; readonly format?: string | undefined }
  onResolve(options: { filter: RegExp }, callback: (args: { path: string }) => { path: string; external: true }): void
  onLoad(options: { filter: RegExp }, callback: (args: { path: string }) => Promise<LoadResult>): void
}

/** A plugin of esbuild's. */
export interface EsbuildPlugin {
  name: string
  setup(build: Build): void
}

/**
 * Has esbuild bundle `import { predict } from './model.py'`. The file itself is no part of the bundle, which looks for it
 * by its path in the project; neither is amphis.
 *
 * @example
 * import { pythonModules } from 'amphis/esbuild'
 *
 * await build({ entryPoints: ['server.ts'], bundle: true, platform: 'node', format: 'esm', plugins: [pythonModules()] })
 */
export function pythonModules(options: PythonModulesOptions = {}): EsbuildPlugin {
  return {
    name: 'amphis',
    setup(build) {
      const { absWorkingDir, format } = build.initialOptions
      const root = resolve(absWorkingDir ?? '.')
      build.onResolve({ filter: AMPHIS }, ({ path }) => ({ path, external: true }))
      build.onLoad({ filter: PYTHON_FILE }, async ({ path }) => {
        try {
          const here = format === 'esm' ? 'import.meta.url' : '__filename'
          return { contents: await bundledSource(path, root, options, here), loader: 'js', watchFiles: [path] }
        } catch (error) {
          return { errors: [messageOf(error, root)], watchFiles: [path] }
        }
      })
    },
  }
}

function messageOf(error: unknown, root: string): Message {
  if (!(error instanceof PythonSyntaxError) || error.place.line === null) return { text: (error as Error).message }
  const { file, line, column } = error.place
  return { text: error.reason, location: { file: relative(root, file), line, column: Math.max(0, (column ?? 1) - 1) } }
}
