// Functions of a module that is imported when one of them is first called.

/** A function that calls Python, as `Python.import()` gives it. */
interface Callee {
  (...args: unknown[]): Promise<unknown>
  with(keywords?: object, options?: object): Callee
  ref(...args: unknown[]): Promise<unknown>
}

/** Where the module comes from: at once when it is there, else a promise of it. */
export interface Source {
  readonly module: object | undefined
  load(): Promise<object>
}

type Find = (module: object) => Callee

/** Has no names that JavaScript asks every object for, such as `then`. */
function isHidden(name: string | symbol): name is symbol {
  return typeof name === 'symbol' || name === 'then' || name === 'toJSON' || /^__.*__$/.test(name)
}

/** The function of a module by its name. */
export function lazyFunction(source: Source, name: string): Callee {
  return lazy(source, name, (module) => (module as Record<string, Callee>)[name]!)
}

/** The class of a module by its name: a function that has class methods. */
export function lazyClass(source: Source, name: string): Callee {
  const methods = new Map<string, Callee>()
  return new Proxy(lazyFunction(source, name), {
    get(target, member) {
      if (isHidden(member) || member in target) return Reflect.get(target, member) as unknown
      let method = methods.get(member)
      if (method === undefined) {
        const find: Find = (module) => (module as Record<string, Record<string, Callee>>)[name]![member]!
        methods.set(member, (method = lazy(source, member, find)))
      }
      return method
    },
  })
}

function lazy(source: Source, name: string, find: Find): Callee {
  const call = (...args: unknown[]): Promise<unknown> => {
    // Once it is there, nothing stands between.
    if (source.module !== undefined) return find(source.module)(...args)
    const result = source.load().then((module) => find(module)(...args))
    return Object.defineProperty(result, Symbol.asyncIterator, { value: () => iterate(result, name) })
  }
  return Object.defineProperties(call, {
    name: { value: name, configurable: true },
    with: {
      value: (keywords?: object, options?: object) =>
        lazy(source, name, (module) => find(module).with(keywords, options)),
    },
    ref: {
      value: async (...args: unknown[]) => find(source.module ?? (await source.load())).ref(...args),
    },
  }) as unknown as Callee
}

/** What a generator gives, before it is there. */
async function* iterate(result: Promise<unknown>, name: string): AsyncGenerator<unknown, undefined> {
  const values = (await result) as AsyncIterable<unknown> | Iterable<unknown>
  if (typeof values !== 'object' || values === null || !(Symbol.asyncIterator in values || Symbol.iterator in values)) {
    throw new TypeError(`${name}() has given ${typeof values}, which cannot be iterated over.`)
  }
  yield* values
  return undefined
}
