// Where an app is mounted: `baseUrl` and `url` to prefix and rest.
import type { IncomingMessage } from 'node:http'

/** Where a request is, for an app that is mounted. */
export interface MountPath {
  /** What the host framework has cut off: ASGI's `root_path`. */
  prefix: string
  /** What it has left: path and query. */
  url: string
}

/**
 * Splits a request's URL as Express and Connect do: `baseUrl` is the mount's prefix, `url` the rest.
 *
 * `originalUrl` is not looked at: after a rewrite it would name another path than the one that the host has routed
 * (and may have authorised) by.
 *
 * @param rootPath the option of the handler: an app that is mounted where it says is mounted there once
 */
export function mountPath(request: IncomingMessage & { baseUrl?: unknown }, rootPath: string): MountPath {
  const { baseUrl } = request
  const prefix = typeof baseUrl === 'string' ? baseUrl : ''
  const rest = request.url ?? '/'
  // Connect leaves `?query` where the mount point itself was asked for.
  const url = rest.startsWith('?') ? `/${rest}` : rest
  return prefix !== '' && rootPath !== '' && decoded(prefix) === decoded(rootPath)
    ? { prefix: '', url: prefix + url }
    : { prefix, url }
}

function decoded(path: string): string {
  try {
    return decodeURIComponent(path)
  } catch {
    return path
  }
}
