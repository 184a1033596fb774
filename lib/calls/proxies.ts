// The objects of Python's that JavaScript has, and their release.

interface Held {
  proxy: WeakRef<object>
  /** How often Python has given it. */
  given: number
}

/**
 * Those of one owner: the same object of Python's is the same proxy for as long as that lives. A finalizer only notes
 * what has gone; Python is told of many together.
 */
export class Proxies {
  readonly #held = new Map<number, Held>()
  readonly #free: (numbers: Uint8Array) => void
  readonly #registry: FinalizationRegistry<{ number: number; held: Held }>
  #gone: number[] = []

  constructor(free: (numbers: Uint8Array) => void) {
    this.#free = free
    this.#registry = new FinalizationRegistry(({ number, held }) => {
      // Another proxy may have taken its place.
      if (this.#held.get(number) === held && held.proxy.deref() === undefined) {
        this.#drop(number, held)
      }
    })
  }

  /** How many there are. */
  get size(): number {
    return this.#held.size
  }

  /** The proxy for an object that Python has just given; `make` is called when there is none. */
  get(number: number, make: () => object): object {
    const held = this.#held.get(number)
    const known = held?.proxy.deref()
    if (held !== undefined && known !== undefined) {
      held.given++
      return known
    }
    const proxy = make()
    const entry: Held = { proxy: new WeakRef(proxy), given: (held?.given ?? 0) + 1 }
    this.#held.set(number, entry)
    this.#registry.register(proxy, { number, held: entry }, entry)
    return proxy
  }

  /** Whether it was given and not released. */
  has(number: number): boolean {
    return this.#held.has(number)
  }

  /** Releases an object at once. */
  release(number: number): void {
    const held = this.#held.get(number)
    if (held !== undefined) {
      this.#registry.unregister(held)
      this.#drop(number, held)
    }
  }

  /** Nothing is known any more. */
  clear(): void {
    for (const held of this.#held.values()) {
      this.#registry.unregister(held)
    }
    this.#held.clear()
    this.#gone = []
  }

  #drop(number: number, held: Held): void {
    this.#held.delete(number)
    if (this.#gone.push(number, held.given) === 2) {
      setImmediate(this.#flush)
    }
  }

  readonly #flush = (): void => {
    const gone = this.#gone
    if (gone.length > 0) {
      this.#gone = []
      const numbers = Uint32Array.from(gone)
      this.#free(new Uint8Array(numbers.buffer))
    }
  }
}
