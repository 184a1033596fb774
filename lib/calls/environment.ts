// The calls of this environment (the main thread or a worker), in both directions.
import type { Bridge, CallRecords } from '../bridge/bridge.js'
import { JavaScriptObjects } from './objects.js'
import { closed, Owner, type Calls, type Pending } from './owner.js'
import { serve, type Served } from './serve.js'
import { abort } from './signal.js'

/** What comes from Python goes through it to whom it belongs. */
class CallsEnvironment implements Calls, CallRecords {
  readonly bridge: Bridge
  readonly objects = new JavaScriptObjects()
  readonly owners = new Map<number, Owner>()
  readonly #pending = new Map<number, Pending>()
  readonly #served = new Map<number, Served>()
  #last = 0

  constructor(bridge: Bridge) {
    this.bridge = bridge
    bridge.calls = this
  }

  add(pending: Pending): number {
    do {
      this.#last = (this.#last + 1) % 2 ** 31
    } while (this.#pending.has(this.#last))
    this.#pending.set(this.#last, pending)
    this.bridge.hold()
    return this.#last
  }

  remove(call: number): void {
    this.#pending.delete(call)
    this.bridge.letGo()
  }

  get(call: number): Pending | undefined {
    return this.#pending.get(call)
  }

  /** Tells Python that nobody answers what an owner is asked. */
  abandon(owner: Owner): void {
    for (const served of this.#served.values()) {
      if (served.owner === owner) {
        abort(served)
        owner.encode((encoder) => {
          encoder.byte(3)
          encoder.string(closed().message)
          const { bytes, length } = encoder.end()
          owner.native.answer(served.call, bytes, length, undefined)
        })
        this.#end(served.call)
      }
    }
  }

  onReply(call: number, text: string, at: number, buffers: readonly Buffer[], buffer: number): void {
    const pending = this.#pending.get(call)
    if (pending !== undefined) {
      this.#pending.delete(call)
      if (!pending.isGivenUp) {
        this.bridge.letGo()
      }
      pending.owner.settle(call, pending, text, at, buffers, buffer)
    }
  }

  onInvoke(call: number, index: number, text: string, at: number, buffers: readonly Buffer[], buffer: number): void {
    const owner = this.owners.get(index)
    if (owner === undefined) {
      return
    }
    const served: Served = { owner, call, controller: undefined, isAborted: false }
    this.#served.set(call, served)
    this.bridge.hold()
    serve(served, this.objects, [text, at, buffers, buffer], () => this.#end(call))
  }

  onAbort(call: number): void {
    const served = this.#served.get(call)
    if (served !== undefined) {
      this.#end(call)
      abort(served)
    }
  }

  onFree(number: number, count: number): void {
    this.objects.free(number, count)
  }

  #end(call: number): void {
    if (this.#served.delete(call)) {
      this.bridge.letGo()
    }
  }
}

let environment: CallsEnvironment | undefined

/** Makes an owner of calls in this environment. */
export function openOwner(bridge: Bridge, appDir: string, threads: number): Owner {
  environment ??= new CallsEnvironment(bridge)
  const native = new bridge.binding.PythonCalls(bridge.host, appDir, threads)
  const owner = new Owner(environment, native, appDir)
  environment.owners.set(native.index, owner)
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
  owner.abandon((call) => environment?.get(call))
  environment?.abandon(owner)
  owner.proxies.clear()
  await environment?.bridge.call((token) => owner.native.close(token))
  environment?.owners.delete(owner.native.index)
}
