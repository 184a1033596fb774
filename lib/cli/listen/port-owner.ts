// Who listens on a port that is in use.
import { readdir, readFile, readlink } from 'node:fs/promises'

/** A process that listens on a port. */
export interface PortOwner {
  /** What the kernel calls it, such as `node` or `python3`. */
  name: string
  pid: number
}

/** State of a socket that listens, in the kernel's tables. */
const LISTENING = '0A'

/**
 * Who listens on a port of this machine, on whatever address.
 *
 * @returns undefined where it cannot be known: outside of Linux, and of other users' processes
 */
export async function portOwner(port: number): Promise<PortOwner | undefined> {
  const tables = await Promise.all(['/proc/net/tcp', '/proc/net/tcp6'].map(readTable))
  const sockets = new Set(tables.flatMap((table) => listeners(table, port)).map((inode) => `socket:[${inode}]`))
  if (sockets.size === 0) return undefined
  for (const entry of await readdir('/proc')) {
    if (/^\d+$/.test(entry) && (await holdsOne(`/proc/${entry}/fd`, sockets))) {
      const name = await readFile(`/proc/${entry}/comm`, 'utf8').catch(() => undefined)
      return name === undefined ? undefined : { name: name.trim(), pid: Number(entry) }
    }
  }
  return undefined
}

async function readTable(path: string): Promise<string> {
  return readFile(path, 'utf8').catch(() => '')
}

/** The inodes of sockets that listen on the port. */
function listeners(table: string, port: number): string[] {
  const ending = `:${port.toString(16).toUpperCase().padStart(4, '0')}`
  const rows = table.split('\n').map((line) => line.trim().split(/\s+/))
  return rows
    .filter(([, local, , state]) => local?.endsWith(ending) === true && state === LISTENING)
    .map((row) => row[9] ?? '')
}

/** Whether a process has one of these sockets open; false where that is not to be seen. */
async function holdsOne(folder: string, sockets: ReadonlySet<string>): Promise<boolean> {
  const files = await readdir(folder).catch(() => [])
  const targets = await Promise.all(files.map((file) => readlink(`${folder}/${file}`).catch(() => '')))
  return targets.some((target) => sockets.has(target))
}
