// The calls of this environment (the main thread or a worker), in both directions. Copies of this package's code in one
// environment, as tests leave them that reset modules, have one bridge, and so one table of calls: the first one's. Each
// serves the calls of its own owners.
import type { Bridge, CallRecords } from '../bridge/bridge.js'
import { JavaScriptObjects } from './objects.js'
import { closed, Owner, type Calls, type Pending } from './owner.js'
import { FAILED } from './protocol.js'
import { serve, type Served, type Serving } from './serve.js'
import { abort } from './signal.js'

/** What comes from Python goes through it to whom it belongs. */
class CallsEnvironment implements Calls, Serving, CallRecords {
  readonly bridge: Bridge
  readonly objects = new JavaScriptObjects()
  readonly #owners = new Map<number, { owner: Owner; serve: typeof serve }>()
  /** By number. One is used again when Python has answered. */
  readonly #pending: (Pending | undefined)[] = []
  readonly #free: number[] = []
  /** What is under way beyond the turn in which Python has called. */
  readonly #served = new Map<number, Served>()

  constructor(bridge: Bridge) {
    this.bridge = bridge
  }

  /** @param serveCall that of the owner's copy of this package, which knows its classes */
  open(owner: Owner, serveCall: typeof serve): void {
    this.#owners.set(owner.native.index, { owner, serve: serveCall })
  }

  close(owner: Owner): void {
    this.#owners.delete(owner.native.index)
  }

  add(pending: Pending): number {
    const call = this.#free.pop() ?? this.#pending.length
    this.#pending[call] = pending
    this.bridge.hold()
    return call
  }

  remove(call: number): void {
    this.#pending[call] = undefined
    this.#free.push(call)
    this.bridge.letGo()
  }

  /** Rejects what an owner has asked Python, and tells Python that nobody answers what it asks him. */
  abandon(owner: Owner): void {
    for (const pending of this.#pending) {
      if (pending?.owner === owner) {
        owner.giveUp(pending, closed())
      }
    }
    for (const served of this.#served.values()) {
      if (served.owner === owner) {
        abort(served)
        owner.encode((encoder) => {
          encoder.byte(FAILED)
          encoder.string(closed().message)
          const { bytes, length } = encoder.end()
          owner.native.answer(served.call, bytes, length, undefined)
        })
        this.end(served)
      }
    }
  }

  onReply(call: number, text: string, at: number, buffers: readonly Buffer[], buffer: number): void {
    const pending = this.#pending[call]
    if (pending !== undefined) {
      this.#pending[call] = undefined
      this.#free.push(call)
      if (!pending.isGivenUp) {
        this.bridge.letGo()
      }
      pending.owner.settle(pending, text, at, buffers, buffer)
    }
  }

  onInvoke(call: number, index: number, text: string, at: number, buffers: readonly Buffer[], buffer: number): void {
    const known = this.#owners.get(index)
    if (known !== undefined) {
      const { owner } = known
      known.serve({ owner, call, controller: undefined, isAborted: false }, this, text, at, buffers, buffer)
    }
  }

  onAbort(call: number): void {
    const served = this.#served.get(call)
    if (served !== undefined) {
      this.end(served)
      abort(served)
    }
  }

  onFree(number: number, count: number): void {
    this.objects.free(number, count)
  }

  begin(served: Served): void {
    this.#served.set(served.call, served)
    this.bridge.hold()
  }

  end({ call }: Served): void {
    if (this.#served.delete(call)) {
      this.bridge.letGo()
    }
  }
}

/** The calls of an environment, by its end of the bridge. */
function callsOf(bridge: Bridge): CallsEnvironment {
  return (bridge.calls ??= new CallsEnvironment(bridge)) as CallsEnvironment
}

/** Makes an owner of calls in this environment. */
export function openOwner(bridge: Bridge, appDir: string, threads: number): Owner {
  const calls = callsOf(bridge)
  const native = new bridge.binding.PythonCalls(bridge.host, appDir, threads)
  const owner = new Owner(calls, native, appDir)
  calls.open(owner, serve)
  return owner
}

/**
 * Ends an owner: nothing is called by it any more, what is under way has `grace` milliseconds, the rest is rejected.
 */
export async function closeOwner(owner: Owner, grace: number): Promise<void> {
  if (owner.isClosing) {
    return
  }
  owner.isClosing = true
  await owner.idle(grace)
  const { bridge } = owner
  const calls = callsOf(bridge)
  calls.abandon(owner)
  owner.proxies.clear()
  await bridge.call((token) => owner.native.close(token))
  calls.close(owner)
}
