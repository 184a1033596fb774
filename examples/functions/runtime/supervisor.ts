/** The first process of a container: fetches events, has one child for each slot run them, replaces children that end. */
import { fork, type ChildProcess } from 'node:child_process'
import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { EventsApi } from './events-api.js'
import { ChildLog, log } from './log.js'
import type { ChildMessage, Invocation, InvocationError } from './messages.js'

const { EVENTS_API = '', EVENTS_TOKEN = '', ...environment } = process.env
const slots = Number(environment.FUNCTION_SLOTS ?? 1)
const memory = Number(environment.FUNCTION_MEMORY ?? 0)
const program = fileURLToPath(new URL('child.js', import.meta.url))
/** Only the image has this file: what follows from it must never happen on a host. */
const inContainer = existsSync(new URL('.container', import.meta.url))
const api = new EventsApi(EVENTS_API, EVENTS_TOKEN)

/** Aborted when the container is to stop: no event is fetched any more. */
const stop = new AbortController()

interface Child {
  process: ChildProcess
  log: ChildLog
  /** What the child says next, or that it has ended. */
  next(): Promise<ChildMessage | { kind: 'ended'; how: string }>
}

function startChild(): Child {
  // A group of its own, so that what it starts ends with it.
  const child = fork(program, { env: environment, stdio: ['ignore', 'pipe', 'pipe', 'ipc'], detached: true })
  if (inContainer) raiseOomScore(child.pid)
  const ended = new Promise<{ kind: 'ended'; how: string }>((resolve) => {
    child.once('error', (error) => resolve({ kind: 'ended', how: error.message }))
    child.once('exit', (code, signal) => resolve({ kind: 'ended', how: signal ?? `exit code ${code}` }))
  })
  const next = () =>
    Promise.race([
      ended,
      new Promise<ChildMessage>((resolve) => child.once('message', (message) => resolve(message as ChildMessage))),
    ])
  return { process: child, log: new ChildLog(child.stdout!, child.stderr!), next }
}

/** When memory is short the kernel takes the child, not the supervisor. */
function raiseOomScore(pid: number | undefined): void {
  try {
    writeFileSync(`/proc/${pid}/oom_score_adj`, '1000')
  } catch {
    // It has ended already, or the kernel does not let us.
  }
}

async function endChild({ process: child }: Child): Promise<void> {
  const gone =
    child.exitCode === null && child.signalCode === null
      ? new Promise((resolve) => child.once('exit', resolve))
      : undefined
  if (child.pid !== undefined) kill(-child.pid)
  // What has left the group is still in the container, where nobody else is while there is one slot.
  if (inContainer && slots === 1) {
    for (let round = 0; round < 20 && kill(-1); round++) await sleep(20)
    clearFolder('/tmp')
  }
  await gone
}

/** Whether there was anybody to kill. */
function kill(pid: number): boolean {
  try {
    return process.kill(pid, 'SIGKILL')
  } catch {
    return false
  }
}

/** The next child is not to find the disk full. */
function clearFolder(folder: string): void {
  for (const name of readdirSync(folder)) rmSync(join(folder, name), { recursive: true, force: true })
}

/** Until the listener has it: an API server that was killed comes back. */
async function send(path: string, receipt: string, body: string): Promise<void> {
  for (let pause = 50; ; pause = Math.min(pause * 2, 2_000)) {
    try {
      const { status } = await api.send(
        'POST',
        path,
        { 'events-receipt': receipt, 'content-type': 'application/json' },
        body,
      )
      if (status < 500) return
    } catch {
      // It does not listen.
    }
    await sleep(pause)
  }
}

interface Event extends Omit<Invocation, 'deadline'> {
  receipt: string
  timeout: number
}

async function nextEvent(): Promise<Event | undefined> {
  for (let pause = 50; !stop.signal.aborted; pause = Math.min(pause * 2, 2_000)) {
    try {
      const { status, headers, body } = await api.send('GET', '/yafaas/events/next', {}, undefined, stop.signal)
      if (status === 200) {
        const timeout = Number(headers['events-timeout-ms'])
        return {
          requestId: String(headers['events-request-id']),
          receipt: String(headers['events-receipt']),
          payload: body,
          timeout,
          functionName: environment.FUNCTION_NAME ?? '',
          memory,
        }
      }
      if (status === 204) {
        pause = 25
        continue
      }
      if (status === 401 || status === 403) log('', 'system', `the listener refuses this container: ${body}`)
    } catch {
      // It does not listen.
    }
    if (!stop.signal.aborted) await sleep(pause)
  }
  return undefined
}

const timedOut = (timeout: number): InvocationError => ({
  errorType: 'Function.TimedOut',
  errorMessage: `the function took longer than ${timeout} ms`,
  stackTrace: [],
})
const exited = (how: string): InvocationError => ({
  errorType: 'Function.Exited',
  errorMessage: `the function's process ended (${how}${how === 'SIGKILL' ? ': out of memory?' : ''})`,
  stackTrace: [],
})

/**
 * One invocation in a child; whether the child can go on.
 *
 * @param answered called once its answer is on its way: it is time to ask for the next event
 */
async function invoke(child: Child, event: Event, answered: () => void): Promise<boolean> {
  const { requestId, receipt, timeout } = event
  const path = `/yafaas/events/${encodeURIComponent(requestId)}`
  const began = performance.now()
  child.log.begin(requestId)
  const timer = new AbortController()
  const said = child.next()
  child.process.send({ ...event, deadline: Date.now() + timeout } satisfies Invocation, () => {})
  log(requestId, 'start', '')
  const message = await Promise.race([
    said,
    sleep(timeout, { kind: 'late' } as const, { signal: timer.signal }).catch(() => ({ kind: 'late' }) as const),
  ])
  timer.abort()
  const goesOn = message.kind === 'result' || message.kind === 'error'
  let answer: Promise<void>
  if (message.kind === 'result') answer = send(`${path}/response`, receipt, message.body)
  else {
    const error =
      message.kind === 'late'
        ? timedOut(timeout)
        : message.kind === 'error'
          ? message.error
          : exited('how' in message ? message.how : message.kind)
    if (!goesOn) await endChild(child)
    answer = send(`${path}/error`, receipt, JSON.stringify(error))
  }
  // After the answer, for which somebody waits.
  if (goesOn) answered()
  await answer
  await child.log.end(1_000)
  log(requestId, 'end', `${message.kind === 'result' ? 'ok' : 'error'} in ${(performance.now() - began).toFixed(1)} ms`)
  return goesOn
}

async function slot(): Promise<void> {
  while (!stop.signal.aborted) {
    let child: Child | undefined = startChild()
    const first = await child.next()
    // What cannot be loaded answers each event with why, and is tried again for the next.
    const failed = first.kind === 'failed' ? first.error : first.kind === 'ended' ? exited(first.how) : undefined
    if (failed) {
      await endChild(child)
      child = undefined
    }
    let upcoming: Promise<Event | undefined> | undefined
    for (;;) {
      const event = await (upcoming ?? nextEvent())
      upcoming = undefined
      if (!event) break
      if (!child) {
        log(event.requestId, 'stderr', [failed!.errorMessage, ...failed!.stackTrace].join('\n'))
        await send(`/yafaas/events/${encodeURIComponent(event.requestId)}/error`, event.receipt, JSON.stringify(failed))
        break
      }
      const goesOn = await invoke(child, event, () => {
        upcoming = nextEvent()
      })
      if (!goesOn) break
    }
    if (child) await endChild(child)
  }
}

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.once(signal, () => stop.abort())
}
log('', 'system', `ready with ${slots} slot${slots === 1 ? '' : 's'}`)
await Promise.all(Array.from({ length: slots }, slot))
process.exit()
