import { lookup } from 'node:dns/promises'
import { closeSync } from 'node:fs'
import { chmod } from 'node:fs/promises'
import * as net from 'node:net'
import { getSystemErrorMap, getSystemErrorName } from 'node:util'
import { checkDescriptor, clearPath, listenFailure, type ListenOptions } from './listen.js'

/**
 * A socket for child processes: it is bound, and whoever inherits `fd` listens on it. No connection is taken here. As
 * long as it is open the kernel keeps connections waiting, also while no child is there to take them.
 */
export interface BoundSocket {
  readonly fd: number
  /** Closes it, and takes the path of a Unix socket away that was made here. */
  close(): void
}

/** A socket of Node's own. */
interface Handle {
  readonly fd: number
  getsockname?(out: object): number
  close(): void
}

// Node binds with it for the workers of `node:cluster`; a server of `node:net` would take connections at once.
const { _createServerHandle: createHandle } = net as unknown as {
  /** An error is the number of the system's. */
  _createServerHandle(address: string, port: number, family: number, fd?: undefined, flags?: number): Handle | number
}

/** In place of port and family: the address is the path of a Unix socket. */
const IS_PATH = -1

/**
 * Binds a socket where the command line says.
 *
 * @throws {ServeError} when it cannot
 */
export async function bind(options: ListenOptions): Promise<BoundSocket> {
  const { host, port, uds, fd } = options
  if (fd !== undefined) {
    checkDescriptor(fd)
    return { fd, close: () => closeSync(fd) }
  }
  try {
    return uds === undefined ? await bindPort(host, port) : await bindPath(uds)
  } catch (error) {
    throw await listenFailure(error as NodeJS.ErrnoException, options)
  }
}

async function bindPort(host: string, port: number): Promise<Handle> {
  const { address, family } = await lookup(host)
  const handle = checked(createHandle(address, port, family, undefined, 0))
  // A port in use is noted by libuv, and told with the next question.
  const code = handle.getsockname?.({}) ?? 0
  if (code !== 0) {
    handle.close()
    throw systemError(code)
  }
  return handle
}

async function bindPath(path: string): Promise<Handle> {
  await clearPath(path)
  const handle = checked(createHandle(path, IS_PATH, IS_PATH))
  // As open as a port is: the proxy in front of it is another user.
  await chmod(path, 0o666)
  return handle
}

function checked(handle: Handle | number): Handle {
  if (typeof handle === 'number') throw systemError(handle)
  return handle
}

function systemError(number: number): NodeJS.ErrnoException {
  const [code, words] = getSystemErrorMap().get(number) ?? [getSystemErrorName(number), 'unknown error']
  return Object.assign(new Error(`bind ${code}: ${words}`), { code })
}
