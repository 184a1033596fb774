// The processes of a turn: the agent's program and every command that it has started, wherever that has gone.
import { readdir, readFile } from 'node:fs/promises'

/** Its value tells the turn; children inherit it. */
export const VARIABLE = 'AGENT_TURN'

async function find(turn: string): Promise<number[]> {
  const marker = `${VARIABLE}=${turn}`
  const pids = (await readdir('/proc').catch(() => [])).filter((name) => /^\d+$/.test(name))
  const found = await Promise.all(
    pids.map(async (pid) => {
      const variables = await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '')
      return variables.split('\0').includes(marker) ? Number(pid) : undefined
    }),
  )
  return found.filter((pid) => pid !== undefined)
}

/** Ends them: what is left would run on in the next invocation, which may be somebody else's. */
export async function endAll(turn: string): Promise<void> {
  for (let round = 0; round < 20; round++) {
    const pids = await find(turn)
    if (pids.length === 0) return
    for (const pid of pids) {
      try {
        process.kill(pid, 'SIGKILL')
      } catch {
        // It has ended by itself.
      }
    }
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
}
