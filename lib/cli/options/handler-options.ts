// Options of the command line to those of `PythonHandler`.
import type { PythonHandlerOptions } from '../../base/types.js'
import type { OptionValues } from './table.js'

/** What the command line says of the app, in the words of the library. */
export function handlerOptions(app: string, options: OptionValues): PythonHandlerOptions {
  const { factory, lifespan, loop, python } = options
  return {
    app,
    appDir: options['app-dir'],
    factory,
    interface: options.interface,
    wsgiThreads: options['wsgi-threads'],
    rootPath: options['root-path'],
    lifespan,
    loop,
    // It would only lengthen each start.
    gcFreeze: options['gc-freeze'] && !options.reload,
    python,
    logConfig: options['log-config'],
    logLevel: options['log-level'],
    proxyHeaders: options['proxy-headers'],
    forwardedAllowIps: options['forwarded-allow-ips'],
    limitConcurrency: options['limit-concurrency'],
    maxBodySize: options['max-body-size'],
    pathsend: options.pathsend,
    timeoutGracefulShutdown: milliseconds(options['timeout-graceful-shutdown']),
    timeoutStreams: milliseconds(options['timeout-streams'] ?? options['timeout-graceful-shutdown']),
    timeoutRequest: milliseconds(options['timeout-request']),
    timeoutStartup: milliseconds(options['timeout-startup']),
    wsMaxSize: options['ws-max-size'],
    wsMaxQueue: options['ws-max-queue'],
    wsPingInterval: milliseconds(options['ws-ping-interval']),
    wsPingTimeout: milliseconds(options['ws-ping-timeout']),
    wsCloseTimeout: milliseconds(options['ws-close-timeout']),
    wsPerMessageDeflate: options['ws-per-message-deflate'],
  }
}

/** The command line counts in seconds, Node in milliseconds. */
export function milliseconds(seconds: number): number {
  return Math.round(seconds * 1000)
}
