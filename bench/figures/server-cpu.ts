import { contestantNamed, type Entry } from '../harness/running.js'
import { usageOf } from '../harness/usage.js'

/** CPU seconds of a contestant's processes and of those that it stands before. */
export function serverCpu(entry: Entry, entries: readonly Entry[]) {
  const pids = processesOf(entry, entries)
  const now = async () => {
    const usages = await Promise.all(pids.map(usageOf))
    return usages.reduce((sum, { cpuSeconds }) => sum + cpuSeconds, 0)
  }
  let began = 0
  return {
    pids,
    before: async () => {
      began = await now()
    },
    /** What was spent since `before`. */
    after: async () => (await now()) - began,
  }
}

/** Its process and those of the servers that it stands before. */
function processesOf(entry: Entry, entries: readonly Entry[]): number[] {
  const { behind } = contestantNamed(entry.contestant)
  const upstream = entries.find(({ contestant }) => contestant === behind)
  return [
    ...(entry.running === undefined ? [] : [entry.running.child.pid]),
    ...(upstream === undefined ? [] : processesOf(upstream, entries)),
  ]
}
