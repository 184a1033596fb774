// What `next.config` needs for a Python app.
import { checkNames, checkPath, shared, wrong } from './shared.js'
import { pythonFiles } from './python-files.js'

/** Options of {@link withAmphis}. */
export interface NextConfigOptions {
  /**
   * Where the app is mounted: there Next.js leaves slashes at the ends of paths to the app, elsewhere it goes on to
   * redirect them. Without it, it redirects them nowhere.
   */
  prefix?: string | undefined
  /**
   * Files that `output: 'standalone'` takes along, as patterns from the folder of the project.
   * @default all `*.py` below it, but those of virtual environments and hidden folders
   */
  files?: readonly string[] | undefined
}

interface Redirect {
  source: string
  destination: string
  permanent: boolean
}

/** What this changes of a configuration, whose own types a user may have in another version. */
interface Config {
  basePath?: string | undefined
  trailingSlash?: boolean | undefined
  serverExternalPackages?: string[] | undefined
  skipTrailingSlashRedirect?: boolean | undefined
  outputFileTracingIncludes?: Record<string, string[]> | undefined
  redirects?: (() => Promise<unknown[]>) | undefined
}

/**
 * A configuration that depends on what Next.js is doing. By a method, so that it stands where Next.js' own type is wanted,
 * and the other way round.
 */
export type NextConfigFunction<C> = {
  bivariant(phase: string, context: { defaultConfig: object }): C | Promise<C>
}['bivariant']

const OPTIONS = ['prefix', 'files'] as const satisfies (keyof NextConfigOptions)[]

/**
 * A configuration of Next.js with what a Python app needs: amphis is left out of the bundles, the app's files are taken
 * along by `output: 'standalone'`, slashes at the ends of paths are the app's, and the app knows `basePath`.
 *
 * @example
 * // next.config.mjs
 * import { withAmphis } from 'amphis/next'
 *
 * export default withAmphis({ output: 'standalone' }, { prefix: '/api' })
 *
 * @throws {AmphisError} `AMPHIS_ERR_INVALID_OPTIONS`
 */
export function withAmphis<C extends object>(
  config: C | NextConfigFunction<C> = {} as C,
  options: NextConfigOptions = {},
): NextConfigFunction<C> {
  checkNames(options, OPTIONS, 'withAmphis')
  const prefix = options.prefix === undefined ? undefined : checkPath(options.prefix, 'prefix of withAmphis')
  const { files } = options
  if (files !== undefined && !(Array.isArray(files) && files.every((file) => typeof file === 'string'))) {
    throw wrong("files of withAmphis must be a list of patterns, such as ['./app/**/*'].")
  }
  return async (phase, context) => {
    const own = typeof config === 'function' ? await config(phase, context) : config
    return extended(own, prefix, files ?? (phase === 'phase-production-build' ? pythonFiles(process.cwd()) : []))
  }
}

function extended<C extends object>(config: C, prefix: string | undefined, files: readonly string[]): C {
  const given = config as Config
  shared().basePath = given.basePath ?? ''
  const traced = given.outputFileTracingIncludes ?? {}
  const changed: Config = {
    ...given,
    serverExternalPackages: [...new Set([...(given.serverExternalPackages ?? []), 'amphis'])],
    skipTrailingSlashRedirect: true,
  }
  if (files.length > 0) {
    changed.outputFileTracingIncludes = { ...traced, '/*': [...(traced['/*'] ?? []), ...files] }
  }
  // To the paths with a slash no rule can lead that would not match them as well.
  if (prefix !== undefined && given.skipTrailingSlashRedirect !== true && given.trailingSlash !== true) {
    changed.redirects = async () => [...((await given.redirects?.()) ?? []), withoutSlash(prefix)]
  }
  return changed as C
}

/** What Next.js itself redirects, but below the app. */
function withoutSlash(prefix: string): Redirect {
  const own = prefix.slice(1).replaceAll(/[.+^$|\\{}-]/g, String.raw`\$&`)
  return {
    source: own === '' ? '/:path(.+)/' : `/:path((?!${own}(?:/|$)).+)/`,
    destination: '/:path',
    permanent: true,
  }
}
