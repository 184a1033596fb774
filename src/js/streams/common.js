// Streams of a runtime, after the standard (https://streams.spec.whatwg.org): what all of its parts have in common. All of
// them are the guest's own code, run when it first asks for one of them, and can do no more than the guest.
//
// Objects that the guest has hold a record, in which everything is; operations go from record to record, so that methods
// which somebody has replaced change nothing.
;(shared, brand) => {
  const { construct, apply } = Reflect
  const after = Function.prototype.call.bind(Promise.prototype.then)
  const Settling = Promise
  const resolved = Promise.resolve.bind(Promise)

  function Bearer(object) {
    return object
  }

  // Where objects of one class keep their records. The engine tells them from others by the brand that makes them.
  shared.slot = (name) =>
    class extends Bearer {
      #record
      constructor(object, record) {
        super(object)
        this.#record = record
      }

      static has(object) {
        return typeof object === 'object' && object !== null && #record in object
      }

      static of(object) {
        if (!this.has(object)) throw new TypeError(`Illegal invocation: this is no ${name}`)
        return object.#record
      }

      // A new object, or one of a subclass.
      static put(Class, record) {
        return new this(construct(brand, [], Class), record)
      }

      static on(object, record) {
        return new this(object, record)
      }
    }

  shared.deferred = () => {
    const made = {}
    made.promise = new Settling((resolve, reject) => {
      made.resolve = resolve
      made.reject = reject
    })
    return made
  }
  shared.resolved = resolved
  shared.rejected = (error) => new Settling((_, reject) => reject(error))
  shared.promise = (executor) => new Settling(executor)
  shared.after = after
  const ignore = () => {}
  // A rejection that need not be handled.
  shared.quiet = (promise) => {
    after(promise, undefined, ignore)
    return promise
  }
  // A promise of what a function gives, or throws.
  shared.attempt = (call, ...values) => {
    try {
      return shared.resolved(call(...values))
    } catch (error) {
      return shared.rejected(error)
    }
  }

  // The same of what gives a promise anyway.
  shared.safely = (call) => {
    try {
      return call()
    } catch (error) {
      return shared.rejected(error)
    }
  }

  // A function of something that the guest has passed, called with that as its `this`.
  shared.method = (object, name) => {
    const found = object[name]
    if (found === undefined) return undefined
    if (typeof found !== 'function') throw new TypeError(`${name} must be a function`)
    return (...values) => apply(found, object, values)
  }

  shared.dictionary = (value, name) => {
    if (value === undefined || value === null) return {}
    if (typeof value !== 'object' && typeof value !== 'function') throw new TypeError(`${name} must be an object`)
    return value
  }

  shared.strategy = (given, usual) => {
    const strategy = shared.dictionary(given, 'The strategy')
    const { highWaterMark } = strategy
    const most = highWaterMark === undefined ? usual : Number(highWaterMark)
    if (Number.isNaN(most) || most < 0) throw new RangeError('highWaterMark must be a number from 0 on')
    const size = shared.method(strategy, 'size')
    return { most, size: size === undefined ? () => 1 : (chunk) => size(chunk) }
  }

  // Chunks with their sizes, the oldest first.
  shared.queue = () => {
    let items = []
    let first = 0
    return {
      size: 0,
      get length() {
        return items.length - first
      },
      add(value, size = 1) {
        const number = Number(size)
        if (!(number >= 0 && number < Infinity))
          throw new RangeError('The size of a chunk must be a finite number from 0 on')
        items[items.length] = { value, size: number }
        this.size += number
      },
      peek: () => items[first].value,
      take() {
        const { value, size } = items[first]
        items[first++] = undefined
        this.size = Math.max(0, this.size - size)
        if (first === items.length) {
          items = []
          first = 0
        } else if (first > 1024 && first * 2 > items.length) {
          items = items.slice(first)
          first = 0
        }
        return value
      },
      clear() {
        items = []
        first = 0
        this.size = 0
      },
    }
  }

  shared.unmade = () => {
    throw new TypeError('Illegal constructor')
  }

  // Classes show their names, and their methods as those of the standard do.
  shared.publish = (name, Class) => {
    Object.defineProperty(Class.prototype, Symbol.toStringTag, { value: name, configurable: true })
    for (const key of Reflect.ownKeys(Class.prototype)) {
      const property = Reflect.getOwnPropertyDescriptor(Class.prototype, key)
      if (typeof key === 'string' && key !== 'constructor') {
        Object.defineProperty(Class.prototype, key, { ...property, enumerable: true })
      }
    }
    shared.classes[name] = Class
  }
  shared.classes = { __proto__: null }

  const sizes = { chunk: () => 1, bytes: ({ byteLength }) => byteLength }
  const strategyOf = (name, size) => {
    const Slot = shared.slot(name)
    const Class = {
      [name]: class {
        constructor({ highWaterMark }) {
          Slot.on(this, Number(highWaterMark))
        }
        get highWaterMark() {
          return Slot.of(this)
        }
        get size() {
          Slot.of(this)
          return size
        }
      },
    }[name]
    shared.publish(name, Class)
  }
  strategyOf('CountQueuingStrategy', sizes.chunk)
  strategyOf('ByteLengthQueuingStrategy', sizes.bytes)
}
