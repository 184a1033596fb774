// `amphis/vite`: a Python app in Vite's servers, and files of Python in what Vite builds and serves.
import { resolve } from 'node:path'
import { PythonSyntaxError } from './modules/names.js'
import { AMPHIS, bundledSource, PYTHON_FILE, type PythonModulesOptions } from './modules/plugin.js'
import { appOf, checkOptions, type MountedApp, type PreviewServer, type ViteServer } from './vite/app.js'
import type { DevOptions } from './dev/messages.js'

/** Options of the plugin. */
export interface VitePluginOptions {
  /**
   * An app for the server of development and the one of preview, by name or with the options of a `PythonHandler`
   * (without `logger` and `signal`). `appDir` is relative to Vite's `root`. In development the app is in another process:
   * `context` is asked in that of Vite, and `onError` is not called, for errors are shown over the page.
   */
  app?: string | DevOptions | undefined
  /**
   * Where the app is mounted: requests and WebSockets below this path are the app's.
   * @default '/api'
   */
  path?: string | undefined
  /** How files of Python are imported. */
  modules?: PythonModulesOptions | undefined
}

export type { PythonModulesOptions } from './modules/plugin.js'
export type { DevOptions } from './dev/messages.js'
export type { PreviewServer, ViteServer } from './vite/app.js'

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
  configureServer(server: ViteServer): void
  configurePreviewServer(server: PreviewServer): void
  closeBundle(): Promise<void>
}

interface External {
  id: string
  external: true
}

/**
 * Serves a Python app beside what Vite serves, with its WebSockets, on the same port. In development the app starts again
 * when one of its files changes, and the browser loads its page anew; what it fails with is shown over the page. In
 * preview it runs in Vite's own process.
 *
 * Also has Vite take `import { predict } from './model.py'` in what runs on the server (`ssr`). The file itself is no part
 * of what is built, which looks for it by its path in the project; neither is amphis.
 *
 * @example
 * import { defineConfig } from 'vite'
 * import { amphis } from 'amphis/vite'
 *
 * export default defineConfig({ plugins: [amphis({ app: 'main:app', path: '/api' })] })
 *
 * @throws {AmphisError} `AMPHIS_ERR_INVALID_OPTIONS`
 */
export function amphis(given: VitePluginOptions = {}): VitePlugin {
  checkOptions(given)
  const { app, path = '/api', modules = {} } = given
  let root = process.cwd()
  let mounted: MountedApp | undefined
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
    configureServer(server) {
      mounted = app === undefined ? undefined : appOf(app, path, root).develop(server)
    },
    configurePreviewServer(server) {
      mounted = app === undefined ? undefined : appOf(app, path, root).preview(server)
    },
    // Both servers call it when they close.
    async closeBundle() {
      await mounted?.close()
    },
  }
}
