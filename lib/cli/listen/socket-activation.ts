import { ServeError } from '../errors/serve-error.js'

/** The descriptor of the first socket that systemd passes on. */
const FIRST = 3

/**
 * The listening socket to serve on: the one that is named, or what systemd (or another that speaks its protocol) has
 * passed on to this process.
 *
 * @param named the descriptor of the command line
 * @param env taken out of it are systemd's variables: they are not for the processes that the app starts
 * @returns undefined when there is none
 * @throws {ServeError} when systemd has passed on several and none is named
 */
export function inheritedSocket(named: number | undefined, env: NodeJS.ProcessEnv, pid: number): number | undefined {
  const { LISTEN_PID, LISTEN_FDS } = env
  for (const name of ['LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES']) delete env[name]
  // They may have been meant for a process that has started this one.
  const isOurs = LISTEN_PID === String(pid) && LISTEN_FDS !== undefined && /^[1-9]\d*$/.test(LISTEN_FDS)
  if (named !== undefined || !isOurs) return named
  if (LISTEN_FDS !== '1') {
    const last = FIRST + Number(LISTEN_FDS) - 1
    throw new ServeError(`systemd passes on ${LISTEN_FDS} sockets, ${FIRST} to ${last}. Choose one with --fd.`)
  }
  return FIRST
}
