// `amphis/vite`: what Vite builds and serves imports files of Python.
import { resolve } from 'node:path'
import { PythonSyntaxError } from './modules/names.js'
import { AMPHIS, bundledSource, PYTHON_FILE, type PythonModulesOptions } from './modules/plugin.js'

/** Options of the plugin. */
export interface VitePluginOptions {
  /** How files of Python are imported. */
  modules?: PythonModulesOptions | undefined
}

export type { PythonModulesOptions } from './modules/plugin.js'

/** What this needs of the context that Vite calls a hook in. */
interface Context {
  readonly environment?: { readonly config?: { readonly consumer?: string } | undefined } | undefined
  addWatchFile(file: string): void
  error(problem: { message: string; id: string; loc?: { file: string; line: number; column: number } }): never
}

/** A plugin of Vite's, whose own types a user may have in another version. */
export interface VitePlugin {
  name: string
  enforce: 'pre'
  config(): { ssr: { external: string[] } }
  configResolved(config: { readonly root: string }): void
  resolveId(source: string, importer: string | undefined, options?: { ssr?: boolean | undefined }): External | undefined
  load(this: Context, id: string, options?: { ssr?: boolean | undefined }): Promise<string | undefined>
}

interface External {
  id: string
  external: true
}

/**
 * Has Vite take `import { predict } from './model.py'` in what runs on the server (`ssr`). The file itself is no part of
 * what is built, which looks for it by its path in the project; neither is amphis.
 *
 * @example
 * import { defineConfig } from 'vite'
 * import { amphis } from 'amphis/vite'
 *
 * export default defineConfig({ plugins: [amphis()], build: { ssr: 'server.ts' } })
 */
export function amphis({ modules = {} }: VitePluginOptions = {}): VitePlugin {
  let root = process.cwd()
  return {
    name: 'amphis',
    enforce: 'pre',
    config: () => ({ ssr: { external: ['amphis'] } }),
    configResolved(config) {
      root = resolve(config.root)
    },
    resolveId: (source) => (AMPHIS.test(source) ? { id: source, external: true } : undefined),
    async load(id, options) {
      const [file = id] = id.split('?', 1)
      if (!PYTHON_FILE.test(file)) return undefined
      const isServed = this.environment?.config?.consumer === 'client' || options?.ssr === false
      if (isServed && options?.ssr !== true) {
        const message = `${file} cannot be imported by the browser: Python runs on the server. Import it in what is built with ssr.`
        return this.error({ message, id })
      }
      this.addWatchFile(file)
      try {
        return await bundledSource(file, root, modules, 'import.meta.url')
      } catch (error) {
        const { message } = error as Error
        if (!(error instanceof PythonSyntaxError) || error.place.line === null) return this.error({ message, id })
        const { line, column } = error.place
        return this.error({ message, id, loc: { file, line, column: Math.max(0, (column ?? 1) - 1) } })
      }
    },
  }
}
