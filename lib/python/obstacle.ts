// What keeps this user from a file: which part of its path, and how to put that right.
import { accessSync, constants, lstatSync, readlinkSync, type Stats, statSync } from 'node:fs'
import { userInfo } from 'node:os'
import { dirname, isAbsolute, parse, resolve, sep } from 'node:path'
import { AmphisError, type AmphisErrorCode } from '../base/errors.js'

/** Why a path cannot be reached or used. */
export interface Obstacle {
  kind: 'missing' | 'denied' | 'loop' | 'no folder'
  /** The part of the path, with symbolic links resolved, that is to blame. */
  path: string
  /** What the whole path leads to, as far as that can be told. */
  target: string
}

/** What somebody wants with a file: `fs.constants.R_OK` and the like. */
type Access = number

// As many links as Linux follows.
const MOST_LINKS = 40

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code
}

function isDenied(error: unknown): boolean {
  return codeOf(error) === 'EACCES' || codeOf(error) === 'EPERM'
}

function canAccess(path: string, access: Access): boolean {
  try {
    accessSync(path, access)
    return true
  } catch (error) {
    return !isDenied(error)
  }
}

/** Where a path begins, seen from a folder, and what is still to come of it. Not normalised: `..` is behind a link. */
function split(path: string, folder: string): { start: string; parts: string[] } {
  const start = isAbsolute(path) ? parse(path).root : folder
  return { start, parts: path.split(sep).filter((part) => part !== '' && part !== '.') }
}

/**
 * Goes a path from the root on, as the kernel does, and tells what it meets; `undefined` where nothing is in the way.
 * Synchronous: it is only asked once something has failed.
 */
export function findObstacle(path: string, access: Access = constants.F_OK): Obstacle | undefined {
  const whole = resolve(path)
  let { start: current, parts } = split(whole, sep)
  let links = 0
  while (parts.length > 0) {
    const [part = '', ...rest] = parts
    const next = part === '..' ? dirname(current) : resolve(current, part)
    const target = resolve(next, ...rest)
    let stats: Stats
    try {
      stats = lstatSync(next)
    } catch (error) {
      const kind = isDenied(error) ? 'denied' : codeOf(error) === 'ENOTDIR' ? 'no folder' : 'missing'
      // Whoever may not search a folder is not told what is in it.
      return { kind, path: kind === 'missing' ? next : current, target }
    }
    if (stats.isSymbolicLink()) {
      links += 1
      if (links > MOST_LINKS) {
        return { kind: 'loop', path: whole, target: next }
      }
      const link = split(readlinkSync(next), current)
      current = link.start
      parts = [...link.parts, ...rest]
    } else {
      current = next
      parts = rest
    }
  }
  return canAccess(current, access) ? undefined : { kind: 'denied', path: current, target: current }
}

/** {@link findObstacle}, of the kind that rights are. */
export function findDenial(path: string, access?: Access): Obstacle | undefined {
  const obstacle = findObstacle(path, access)
  return obstacle?.kind === 'denied' ? obstacle : undefined
}

function statsOf(path: string): Stats | undefined {
  try {
    return statSync(path)
  } catch {
    return undefined
  }
}

function userName(uid: number): string {
  try {
    // The one user that can be asked for by name is this one.
    const own = userInfo()
    return uid === own.uid ? `${own.username} (uid ${uid})` : uid === 0 ? 'root' : `uid ${uid}`
  } catch {
    // A number without an entry in /etc/passwd, as containers have them.
    return uid === 0 ? 'root' : `uid ${uid}`
  }
}

/** Not quoted for a shell where nothing in it needs that. */
function quoted(path: string): string {
  return /^[\w./@:+,-]+$/.test(path) ? path : `'${path.replaceAll("'", String.raw`'\''`)}'`
}

const VERBS: Readonly<Record<'execute' | 'read', string>> = { execute: 'cannot be executed', read: 'cannot be read' }

/** Where a Python is better off that not everybody can reach. */
const ELSEWHERE =
  ', or put Python where every user may read it, not below a home folder ("UV_PYTHON_INSTALL_DIR=/opt/python uv ' +
  'python install", or that of the distribution), and create the environment again from there'

/**
 * Puts a denial into words: "cannot be read by user node (uid 1000): permission denied (EACCES) at …", and what to do.
 *
 * @param asked the path as it was named
 */
export function describeDenial(
  { path, target }: Obstacle,
  asked: string,
  { wish, isPython = false }: { wish: 'execute' | 'read'; isPython?: boolean },
): string {
  const stats = statsOf(path)
  const isFolder = stats?.isDirectory() === true
  const mode = (stats?.mode ?? 0) & 0o7777
  const whose =
    stats && `, whose mode is ${mode.toString(8).padStart(4, '0')} and whose owner is ${userName(stats.uid)}`
  const what =
    `${VERBS[wish]} by user ${userName(process.geteuid?.() ?? 0)}: permission denied (EACCES) at the ` +
    `${isFolder ? 'folder' : 'file'} ${path}${whose ?? ''}.${target === resolve(asked) ? '' : ` It leads to ${target}.`}`
  // Enough to go through a folder on the way.
  const rights = path !== target && isFolder ? 'a+x' : isFolder || wish === 'execute' ? 'a+rx' : 'a+r'
  const needed = isFolder || wish === 'execute' ? 0o111 : 0o444
  if (stats !== undefined && (mode & needed) === needed) {
    return (
      `${what} Its mode allows it: look for a mount with noexec (findmnt -T ${path}), an access control list ` +
      '(getfacl), or SELinux or AppArmor.'
    )
  }
  const open = `Let this user in (chmod ${rights} ${quoted(path)}, chown, or COPY --chown in a Dockerfile)`
  return `${what} ${open}${isPython ? ELSEWHERE : ''}.`
}

/**
 * Fails where a file, or a folder with what is in it, is there and this user may not read it.
 *
 * @throws {AmphisError}
 */
export function assertReadable(path: string, code: AmphisErrorCode, subject = path, isPython = false): void {
  const isFolder = statsOf(path)?.isDirectory() === true
  const denial = findDenial(path, isFolder ? constants.R_OK | constants.X_OK : constants.R_OK)
  if (denial !== undefined) {
    throw new AmphisError(code, `${subject} ${describeDenial(denial, path, { wish: 'read', isPython })}`)
  }
}
