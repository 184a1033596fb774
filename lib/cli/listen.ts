import { once } from 'node:events'
import { lstat, rm, stat } from 'node:fs/promises'
import { type AddressInfo, connect } from 'node:net'
import { dirname } from 'node:path'
import type { PythonServer } from '../server.js'
import { listenProblem, socketProblem, toUrl } from './address.js'
import type { OptionValues } from './options.js'
import { ServeError } from './serve-error.js'

/**
 * Has the server listen where the command line says.
 *
 * @returns the address to show
 * @throws {ServeError} when it cannot
 */
export async function listen(server: PythonServer, { host, port, uds }: OptionValues): Promise<string> {
  try {
    if (uds !== undefined) {
      await checkPath(uds)
      await removeStale(uds)
      // As open as a port is: the proxy in front of it is another user.
      server.listen({ path: uds, readableAll: true, writableAll: true })
    } else {
      server.listen(port, host)
    }
    await once(server, 'listening')
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    const problem = uds === undefined ? listenProblem(code, host, port) : socketProblem(code, uds)
    throw new ServeError(problem ?? message, { cause: error })
  }
  const scheme = 'setSecureContext' in server ? 'https' : 'http'
  return uds === undefined ? toUrl(host, (server.address() as AddressInfo).port, scheme) : `unix:${uds}`
}

// What fits into the kernel's address of a socket, before its closing NUL.
const LONGEST_PATH = process.platform === 'linux' ? 107 : 103

function failure(code: string): NodeJS.ErrnoException {
  return Object.assign(new Error(code), { code })
}

/** Says what libuv does not: it cuts a path that is too long, and calls a missing folder forbidden. */
async function checkPath(path: string): Promise<void> {
  if (Buffer.byteLength(path) > LONGEST_PATH) throw failure('ENAMETOOLONG')
  await stat(dirname(path))
}

/** Removes the socket of a server that is no more, which would be in the way. */
async function removeStale(path: string): Promise<void> {
  const found = await lstat(path).catch(() => undefined)
  if (found === undefined) return
  if (!found.isSocket()) throw failure('EEXIST')
  const probe = connect(path)
  try {
    await once(probe, 'connect')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ECONNREFUSED') await rm(path)
  } finally {
    probe.destroy()
  }
}
