// Addresses as URLs, and what to do when one cannot be listened on.
import { isIPv6 } from 'node:net'
import { getSystemErrorMap } from 'node:util'
import type { PortOwner } from './port-owner.js'

/** The address to type into a browser. */
export function toUrl(host: string, port: number, scheme: 'http' | 'https' = 'http'): string {
  // In a URL the percent sign of a zone (fe80::1%eth0) is escaped.
  return `${scheme}://${isIPv6(host) ? `[${host.replace('%', '%25')}]` : host}:${port}`
}

/** What was said, with the code and the words of the system behind it: people search by these. */
function withCode(code: string | undefined, problem: string | undefined): string | undefined {
  if (code === undefined || problem === undefined) return problem
  const words = [...getSystemErrorMap().values()].find(([name]) => name === code)?.[1]
  return `${problem} (${words === undefined ? code : `${code}: ${words}`})`
}

/**
 * Why a server could not listen, and what to do.
 *
 * @param owner who listens there, where that is known
 * @returns undefined for an error that has nothing to do with the address
 */
export function listenProblem(
  code: string | undefined,
  host: string,
  port: number,
  owner?: PortOwner,
): string | undefined {
  return withCode(code, portProblem(code, host, port, owner))
}

function portProblem(code: string | undefined, host: string, port: number, owner?: PortOwner): string | undefined {
  switch (code) {
    case 'EADDRINUSE':
      return owner === undefined
        ? `Port ${port} of ${host} is in use; \`lsof -i :${port}\` shows by whom. ` +
            'Choose another with --port, or take any free one with --port 0.'
        : `Port ${port} of ${host} is in use by ${owner.name} (process ${owner.pid}). ` +
            'Stop it, choose another with --port, or take any free one with --port 0.'
    case 'EACCES':
      return `This user may not listen on port ${port}. Choose one above 1023 with --port.`
    case 'EADDRNOTAVAIL':
      return `${host} is not an address of this machine. Choose one with --host, such as 127.0.0.1.`
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `The host name ${host} has no address. Choose another with --host, such as 127.0.0.1.`
    default:
      return undefined
  }
}

/** The same for a Unix socket. */
export function socketProblem(code: string | undefined, path: string): string | undefined {
  return withCode(code, pathProblem(code, path))
}

function pathProblem(code: string | undefined, path: string): string | undefined {
  switch (code) {
    case 'EADDRINUSE':
      return `The socket ${path} is in use. Choose another with --uds, or stop who listens there.`
    case 'EEXIST':
      return `There is a file ${path} that is no socket. Choose another path with --uds, or remove it.`
    case 'EACCES':
      return `This user may not make a socket at ${path}. Choose a folder of this user's with --uds.`
    case 'ENOENT':
    case 'ENOTDIR':
      return `The folder of ${path} does not exist. Make it, or choose another with --uds.`
    case 'ENAMETOOLONG':
      return `The path ${path} is too long for a socket. Choose a shorter one with --uds.`
    default:
      return undefined
  }
}

/** The same for an inherited descriptor. */
export function descriptorProblem(code: string | undefined, fd: number): string | undefined {
  return withCode(code, inheritedProblem(code, fd))
}

function inheritedProblem(code: string | undefined, fd: number): string | undefined {
  const remedy = 'Have the parent pass a listening socket on, and name it with --fd; that of systemd is --fd 3.'
  switch (code) {
    case 'EBADF':
      return `This process has inherited no file descriptor ${fd}. ${remedy}`
    case 'ENOTSOCK':
    case 'EINVAL':
    case 'EOPNOTSUPP':
      return `The file descriptor ${fd} is no socket that takes connections. ${remedy}`
    default:
      return undefined
  }
}
