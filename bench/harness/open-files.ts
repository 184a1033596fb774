import { readFile } from 'node:fs/promises'
import { runCommand } from './run-command.js'

/** How many descriptors a process may have that is started from here. Node has already raised it as far as it may. */
export async function openFilesLimit(): Promise<number> {
  const { stdout } = await runCommand(['sh', '-c', 'ulimit -n'])
  return stdout.trim() === 'unlimited' ? Infinity : Number(stdout)
}

/**
 * Addresses to connect from to one port, so that each has enough ports of its own; none where the default has. More
 * than one loopback address is there on Linux only.
 */
export async function localAddressesFor(connections: number): Promise<string[]> {
  const range = await readFile('/proc/sys/net/ipv4/ip_local_port_range', 'utf8').catch(() => undefined)
  if (range === undefined) {
    return []
  }
  const [first = 0, last = 0] = range.trim().split(/\s+/).map(Number)
  // A part of them may be taken by others.
  const ports = (last - first) * 0.8
  return connections <= ports
    ? []
    : Array.from({ length: Math.ceil(connections / ports) }, (_, i) => `127.0.0.${2 + i}`)
}
