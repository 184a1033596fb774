/** What a container of a function may do: next to nothing. */
import type { HostConfig } from 'dockerode'
import type { FunctionRecord } from './types.js'

const MEGABYTE = 1024 * 1024

/** Bytes of `/tmp`, which is memory of the container. */
const TMP_SHARE = 0.25

interface Limits {
  /** Megabytes. */
  memory: number
  cpus: number
  pids: number
}

/** For every container that has code of users in it. */
export function contained({ memory, cpus, pids }: Limits): HostConfig {
  return {
    ReadonlyRootfs: true,
    CapDrop: ['ALL'],
    SecurityOpt: ['no-new-privileges'],
    Memory: memory * MEGABYTE,
    // No swap on top.
    MemorySwap: memory * MEGABYTE,
    NanoCpus: Math.round(cpus * 1e9),
    PidsLimit: pids,
    NetworkMode: 'none',
    IpcMode: 'private',
    Privileged: false,
    Ulimits: [
      { Name: 'nofile', Soft: 4096, Hard: 4096 },
      { Name: 'core', Soft: 0, Hard: 0 },
    ],
    LogConfig: { Type: 'json-file', Config: { 'max-size': '10m', 'max-file': '2' } },
  }
}

/** @param sockets the folder with the function's own socket, as the engine's machine has it */
export function functionHost(record: FunctionRecord, sockets: string): HostConfig {
  const size = Math.round(record.memory * TMP_SHARE)
  return {
    ...contained({ memory: record.memory, cpus: record.cpus, pids: 64 + 64 * record.slots }),
    Tmpfs: { '/tmp': `rw,nosuid,nodev,noexec,size=${size}m,mode=1777` },
    Binds: [`${sockets}:/run/events:ro`],
  }
}

/** For the installation of packages: their scripts are code of users as well. */
export function buildHost(offline: string | undefined): HostConfig {
  return {
    ...contained({ memory: 1536, cpus: 1, pids: 256 }),
    Tmpfs: { '/build': 'rw,nosuid,nodev,exec,size=768m,mode=1777' },
    ...(offline === undefined ? {} : { Binds: [`${offline}:/offline:ro`] }),
  }
}
