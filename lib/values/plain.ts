// Which objects are data: what was written as `{…}`, in whatever realm.

// `Object.prototype` of other realms, once they were seen.
const foreign = new WeakSet<object>()

function isForeignObjectPrototype(prototype: object): boolean {
  if (foreign.has(prototype)) {
    return true
  }
  // Nothing else has this one of its own and nothing above it; `class extends null` has not.
  const found = Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype, 'isPrototypeOf')
  if (found) {
    foreign.add(prototype)
  }
  return found
}

/** @param prototype that of an object */
export function isPlainPrototype(prototype: object | null): boolean {
  return prototype === Object.prototype || prototype === null || isForeignObjectPrototype(prototype)
}

const { iterator, asyncIterator } = Symbol

/** Whether an object that was written as `{…}` says itself how it is to be iterated: then it is more than its properties. */
export function isIterable(value: object): boolean {
  const symbols = value as Record<symbol, unknown>
  return symbols[iterator] !== undefined || symbols[asyncIterator] !== undefined
}
