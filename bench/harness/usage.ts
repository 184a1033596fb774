import { readFile, readdir, writeFile } from 'node:fs/promises'
import { runCommand } from './run-command.js'

/** What a process and all its descendants have used. */
export interface Usage {
  readonly cpuSeconds: number
  readonly rssBytes: number
}

interface ProcessRow extends Usage {
  readonly pid: number
  readonly parent: number
}

/** Sums a process tree (granian and the like work in a child). */
export async function usageOf(pid: number): Promise<Usage> {
  const [rows, members] = await tree(pid)
  let cpuSeconds = 0
  let rssBytes = 0
  for (const row of rows) {
    if (members.has(row.pid)) {
      cpuSeconds += row.cpuSeconds
      rssBytes += row.rssBytes
    }
  }
  return { cpuSeconds, rssBytes }
}

/** Begins to look for the peak of a process tree's memory anew. */
export async function resetPeak(pid: number): Promise<void> {
  const [, members] = await tree(pid)
  // Linux only; elsewhere the peak is what is used when it is asked for.
  await Promise.all([...members].map((each) => writeFile(`/proc/${each}/clear_refs`, '5').catch(() => undefined)))
}

/** The most memory that each process of a tree has had since `resetPeak`, added up. */
export async function peakOf(pid: number): Promise<number> {
  const [, members] = await tree(pid)
  if (process.platform !== 'linux') {
    return (await usageOf(pid)).rssBytes
  }
  const peaks = await Promise.all(
    [...members].map(async (each) => {
      const status = await readFile(`/proc/${each}/status`, 'latin1').catch(() => '')
      return Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024
    }),
  )
  return peaks.reduce((sum, peak) => sum + peak, 0)
}

async function tree(pid: number): Promise<[ProcessRow[], Set<number>]> {
  const rows = process.platform === 'linux' ? await readProc() : await readPs()
  const members = new Set([pid])
  // Rows come in no particular order: repeat until no descendant is added.
  for (let size = 0; size !== members.size;) {
    size = members.size
    for (const row of rows) {
      if (members.has(row.parent)) {
        members.add(row.pid)
      }
    }
  }
  return [rows, members]
}

// Linux fixes what user space sees at 100 ticks a second; pages are asked of getconf once.
const ticksPerSecond = 100
let pageSize: Promise<number> | undefined

async function readProc(): Promise<ProcessRow[]> {
  pageSize ??= runCommand(['getconf', 'PAGESIZE']).then(({ stdout }) => Number(stdout))
  const bytesPerPage = await pageSize
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const rows = await Promise.all(
    pids.map(async (name): Promise<ProcessRow | undefined> => {
      const stat = await readFile(`/proc/${name}/stat`, 'latin1').catch(() => undefined)
      // The command's name stands in brackets and may hold anything: fields count from after the last one.
      const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ')
      return fields && readStat(Number(name), fields, bytesPerPage)
    }),
  )
  return rows.filter((row) => row !== undefined)
}

function readStat(pid: number, fields: readonly string[], bytesPerPage: number): ProcessRow {
  return {
    pid,
    parent: Number(fields[1]),
    cpuSeconds: (Number(fields[11]) + Number(fields[12])) / ticksPerSecond,
    rssBytes: Number(fields[21]) * bytesPerPage,
  }
}

async function readPs(): Promise<ProcessRow[]> {
  const { stdout } = await runCommand(['ps', '-A', '-o', 'pid=,ppid=,rss=,time='])
  return stdout
    .trim()
    .split('\n')
    .map((line) => {
      const [pid, parent, rss, time] = line.trim().split(/\s+/)
      const cpuSeconds = (time ?? '0').split(':').reduce((total, part) => total * 60 + Number(part), 0)
      return { pid: Number(pid), parent: Number(parent), rssBytes: Number(rss) * 1024, cpuSeconds }
    })
}
