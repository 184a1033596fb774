import { join } from 'node:path'
import { contestants, type Contestant } from '../contestants.js'
import type { Answer, AppName, Work } from '../works.js'
import { Child, ContestantFailed, freePort, type ListenOptions } from './child.js'
import type { Context } from './context.js'
import { apps } from './paths.js'
import { checkAnswer, WireClient, WrongBytes, type Asked, type WireResponse } from './wire.js'

export type Outcome = 'measured' | 'missing' | 'failed' | 'wrong bytes'

/** Where a contestant stands in a figure: never left out, whatever became of it. */
export interface Entry {
  /** Names it within its figure. */
  readonly name: string
  /** Which contestant it is; the same as its name where the figure has one of each. */
  readonly contestant: string
  readonly title: string
  outcome: Outcome
  reason?: string
  running?: Running
}

/** A contestant's live process. */
export interface Running {
  readonly child: Child
  readonly port: number
  /** For checks beside the load; in-process contestants are asked through orders. */
  readonly client: WireClient
  /** Bytes of one right response on the wire; 0 in process. */
  wireBytes: number
}

export interface StartOptions {
  readonly app: AppName
  /** The folder of its module. @default the one in `apps/` */
  readonly appDir?: string
  readonly answer: Answer
}

/** Starts the named contestants one after the other, each behind the one it needs. */
export async function startAll(context: Context, names: readonly string[], options: StartOptions): Promise<Entry[]> {
  const entries: Entry[] = []
  for (const name of names) {
    entries.push(await start(context, name, options, entries))
  }
  return entries
}

export async function start(
  context: Context,
  name: string,
  { app, appDir = join(apps, app), answer }: StartOptions,
  others: readonly Entry[] = [],
  patience: ListenOptions = {},
): Promise<Entry> {
  const contestant = contestantNamed(name)
  const entry: Entry = { name, contestant: name, title: contestant.title, outcome: 'measured' }
  try {
    const missing = await contestant.missing?.(context)
    if (missing !== undefined) {
      return { ...entry, outcome: 'missing', reason: missing }
    }
    const upstream = others.find((other) => other.contestant === contestant.behind)?.running
    if (contestant.behind !== undefined && upstream === undefined) {
      return { ...entry, outcome: 'missing', reason: `${contestant.behind}, which it stands before, does not run` }
    }
    const port = await freePort()
    const upstreamPort = upstream?.port ?? 0
    const child = new Child(await contestant.command({ context, app, appDir, port, upstreamPort, answer }))
    entry.running = { child, port, client: new WireClient(port), wireBytes: 0 }
    if (contestant.reach === 'http') {
      await child.listening(port, patience)
    }
  } catch (error) {
    await fail(entry, error)
  }
  return entry
}

export function contestantNamed(name: string): Contestant {
  const contestant = contestants[name]
  if (contestant === undefined) {
    throw new TypeError(`There is no contestant "${name}".`)
  }
  return contestant
}

type Answered = Answer & Pick<WireResponse, 'wireBytes'>

/** Has the contestant answer once, over whichever way it is reached. */
export function ask(entry: Entry, work: Asked): Promise<Answered> {
  const running = alive(entry)
  return contestantNamed(entry.contestant).reach === 'http'
    ? running.client.ask(work)
    : running.child.order<Answer>({ do: 'ask', work }).then((answer) => ({ ...answer, wireBytes: 0 }))
}

/** Asks until the answer is the right one twice (so that the size on the wire is a warm response's). */
export async function verify(entry: Entry, work: Work): Promise<void> {
  const running = alive(entry)
  for (let i = 0; i < 2; i++) {
    const response = await ask(entry, work)
    checkAnswer(entry.title, response, work.answer)
    running.wireBytes = response.wireBytes
  }
}

/** Does something with each running contestant; one that fails is noted and stopped, the others go on. */
export async function withEach(
  entries: readonly Entry[],
  action: (entry: Entry, running: Running) => Promise<void>,
): Promise<void> {
  for (const entry of entries) {
    if (entry.running !== undefined) {
      try {
        await action(entry, entry.running)
        entry.running.child.assertAlive()
      } catch (error) {
        await fail(entry, error)
      }
    }
  }
}

export async function stopAll(entries: readonly Entry[]): Promise<void> {
  await Promise.all(entries.map(stop))
}

/** The running part of an entry that has been started. */
export function alive(entry: Entry): Running {
  if (entry.running === undefined) {
    throw new ContestantFailed(`${entry.title} does not run`)
  }
  return entry.running
}

async function fail(entry: Entry, error: unknown): Promise<void> {
  entry.outcome = error instanceof WrongBytes ? 'wrong bytes' : 'failed'
  entry.reason = error instanceof Error ? error.message : String(error)
  await stop(entry)
}

async function stop(entry: Entry): Promise<void> {
  entry.running?.client.close()
  await entry.running?.child.stop()
  delete entry.running
}
