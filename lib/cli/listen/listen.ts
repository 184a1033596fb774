// Listens on a port, a Unix socket or a descriptor.
import { once } from 'node:events'
import { fstatSync } from 'node:fs'
import { lstat, rm, stat } from 'node:fs/promises'
import { type AddressInfo, connect, type Server } from 'node:net'
import { dirname } from 'node:path'
import { ServeError } from '../errors/serve-error.js'
import type { OptionValues } from '../options/table.js'
import { descriptorProblem, listenProblem, socketProblem, toUrl } from './address.js'
import { portOwner } from './port-owner.js'

/** Where to listen. */
export type ListenOptions = Pick<OptionValues, 'host' | 'port' | 'uds' | 'fd' | 'ssl-certfile'>

/** Most connections that may wait until they are taken, as uvicorn has it; the kernel's own limit may be lower. */
const BACKLOG = 2048

/**
 * Has the server listen where the command line says.
 *
 * @returns the address to show
 * @throws {ServeError} when it cannot
 */
export async function listen(server: Server, options: ListenOptions): Promise<string> {
  const { host, port, uds, fd } = options
  if (fd !== undefined) {
    checkDescriptor(fd)
    return listenOn(server, fd, options)
  }
  try {
    if (uds !== undefined) {
      await clearPath(uds)
      // As open as a port is: the proxy in front of it is another user.
      server.listen({ path: uds, backlog: BACKLOG, readableAll: true, writableAll: true })
    } else {
      server.listen({ port, host, backlog: BACKLOG })
    }
    await once(server, 'listening')
  } catch (error) {
    throw await listenFailure(error as NodeJS.ErrnoException, options)
  }
  return addressOf(server, options)
}

/**
 * Has the server take connections of a socket that another process has made, for these options.
 *
 * @returns the address to show
 * @throws {ServeError} when it cannot
 */
export async function listenOn(server: Server, descriptor: number, options: ListenOptions): Promise<string> {
  try {
    server.listen({ fd: descriptor }, BACKLOG)
    await once(server, 'listening')
  } catch (error) {
    throw await listenFailure(error as NodeJS.ErrnoException, options)
  }
  return addressOf(server, options)
}

/** What the user is told of a server that could not listen. */
export async function listenFailure(error: NodeJS.ErrnoException, options: ListenOptions): Promise<ServeError> {
  const { host, port, uds, fd } = options
  const { code, message } = error
  const problem =
    fd !== undefined
      ? descriptorProblem(code, fd)
      : uds !== undefined
        ? socketProblem(code, uds)
        : listenProblem(code, host, port, code === 'EADDRINUSE' ? await portOwner(port) : undefined)
  return new ServeError(problem ?? message, { cause: error })
}

function addressOf(server: Server, { host, uds, fd, 'ssl-certfile': certfile }: ListenOptions): string {
  if (uds !== undefined) return `unix:${uds}`
  const scheme = certfile === undefined ? 'http' : 'https'
  const address = server.address() as AddressInfo | null
  // Node does not tell the path of a Unix socket that it has not made.
  if (typeof address?.port !== 'number') return `unix:fd/${fd}`
  return toUrl(fd === undefined ? host : address.address, address.port, scheme)
}

/**
 * Looks at an inherited descriptor: Node would not say what is wrong with it.
 *
 * @throws {ServeError} when it is no socket
 */
export function checkDescriptor(fd: number): void {
  let code: string | undefined
  try {
    code = fstatSync(fd).isSocket() ? undefined : 'ENOTSOCK'
  } catch (error) {
    code = (error as NodeJS.ErrnoException).code
  }
  if (code !== undefined) throw new ServeError(descriptorProblem(code, fd) ?? code)
}

// What fits into the kernel's address of a socket, before its closing NUL.
const LONGEST_PATH = process.platform === 'linux' ? 107 : 103

function failure(code: string): NodeJS.ErrnoException {
  return Object.assign(new Error(code), { code })
}

/** Makes way for a Unix socket; throws with the code of what is in its way. */
export async function clearPath(path: string): Promise<void> {
  await checkPath(path)
  await removeStale(path)
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
