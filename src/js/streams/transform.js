// TransformStream, and what carries chunks from one stream into another.
;(shared) => {
  const { slot, deferred, resolved, quiet, attempt, after, method, dictionary, publish, readable, writable } = shared
  const Stream = slot('TransformStream')
  const Controller = slot('TransformStreamDefaultController')
  const nothing = () => undefined

  // Carries on until either end comes to its own, and passes that on to the other.
  shared.pipe = (source, destination, options) => {
    const { preventClose, preventAbort, preventCancel, signal } = dictionary(options, 'Options')
    if (signal !== undefined && typeof signal?.addEventListener !== 'function') {
      throw new TypeError('signal must be an AbortSignal')
    }
    if (source.reader !== undefined || destination.writer !== undefined) throw new TypeError('The stream is locked')
    const reader = readable.acquire(source)
    const writer = writable.acquire(destination)
    const outcome = deferred()
    let last = resolved()
    let isEnding = false

    const end = (isError, error) => {
      writable.release(writer)
      readable.release(reader)
      if (isError) outcome.reject(error)
      else outcome.resolve()
    }
    // What is under way is written first.
    const shut = (action, isError, error) => {
      if (isEnding) return
      isEnding = true
      const act = () => {
        if (action === undefined) return end(isError, error)
        return after(
          attempt(action),
          () => end(isError, error),
          (reason) => end(true, reason),
        )
      }
      if (destination.state === 'writable' && !writable.isClosing(destination)) after(last, act, act)
      else act()
    }

    const aborted = () => {
      const { reason } = signal
      const both = () => {
        const acts = []
        if (!preventAbort && destination.state === 'writable') acts[0] = writable.abort(destination, reason)
        const cancelled = preventCancel || source.state !== 'readable' ? resolved() : readable.cancel(source, reason)
        return after(resolved(acts[0]), () => cancelled)
      }
      shut(both, true, reason)
    }
    if (signal?.aborted) aborted()
    else signal?.addEventListener('abort', aborted)

    const closed = () => shut(preventClose ? undefined : () => closeOnce(), false)
    const closeOnce = () => {
      if (writable.isClosing(destination) || destination.state === 'closed') return resolved()
      return writable.close(destination)
    }
    const failed = (error) => shut(preventAbort ? undefined : () => writable.abort(destination, error), true, error)
    const refused = (error) => shut(preventCancel ? undefined : () => readable.cancel(source, error), true, error)

    const step = () => {
      if (isEnding) return undefined
      if (destination.state === 'closed' || writable.isClosing(destination)) {
        return refused(new TypeError('The destination is closed'))
      }
      return after(
        writer.ready.promise,
        () => {
          if (isEnding) return
          readable.read(reader, {
            give(chunk) {
              last = quiet(writable.add(destination, chunk))
              after(resolved(), step)
            },
            close: closed,
            fail: failed,
          })
        },
        nothing,
      )
    }
    after(writer.closed.promise, nothing, (error) => refused(error))
    after(
      reader.closed.promise,
      () => source.controller.queue.length === 0 && closed(),
      (error) => failed(error),
    )
    step()
    return outcome.promise
  }

  const errorWritable = (transform, reason) => {
    transform.run = nothing
    transform.flush = nothing
    transform.cancel = nothing
    writable.error(transform.writable, reason)
    if (transform.isFull) setFull(transform, false)
  }

  const errorBoth = (transform, reason) => {
    readable.error(transform.readable.controller, reason)
    errorWritable(transform, reason)
  }

  const setFull = (transform, isFull) => {
    transform.changed?.resolve()
    transform.changed = deferred()
    transform.isFull = isFull
  }

  const enqueue = (transform, chunk) => {
    const { controller } = transform.readable
    if (!readable.isOpen(controller)) throw new TypeError('The readable side takes no more chunks')
    try {
      readable.enqueue(controller, chunk)
    } catch (reason) {
      errorWritable(transform, reason)
      throw transform.readable.error ?? reason
    }
    const isWanted = transform.readable.reader?.requests.length > 0 || readable.room(controller) > 0
    if (!isWanted && !transform.isFull) setFull(transform, true)
  }

  const run = (transform, chunk) =>
    after(attempt(transform.run, chunk, transform.face), undefined, (reason) => {
      errorBoth(transform, reason)
      throw reason
    })

  const finish = (transform) => {
    const { controller } = transform.readable
    if (readable.isOpen(controller)) readable.finish(controller)
  }

  const make = (transform, writableMost, writableSize, readableMost, readableSize) => {
    const { started } = transform
    transform.writable = writable.make(
      {
        size: writableSize,
        write(chunk) {
          if (!transform.isFull) return run(transform, chunk)
          return after(transform.changed.promise, () => {
            if (transform.writable.state === 'erroring') throw transform.writable.error
            return run(transform, chunk)
          })
        },
        close: () =>
          after(
            attempt(transform.flush, transform.face),
            () => {
              if (transform.readable.state === 'errored') throw transform.readable.error
              finish(transform)
            },
            (reason) => {
              errorBoth(transform, reason)
              throw reason
            },
          ),
        abort: (reason) =>
          after(attempt(transform.cancel, reason), () => readable.error(transform.readable.controller, reason)),
      },
      writableMost,
      started.promise,
    )
    transform.readable = readable.make(
      {
        size: readableSize,
        pull() {
          setFull(transform, false)
          return transform.changed.promise
        },
        cancel: (reason) => after(attempt(transform.cancel, reason), () => errorWritable(transform, reason)),
      },
      readableMost,
      started.promise,
    )
    setFull(transform, true)
  }

  class TransformStreamDefaultController {
    constructor() {
      shared.unmade()
    }
    get desiredSize() {
      return readable.room(Controller.of(this).readable.controller)
    }
    enqueue(chunk) {
      enqueue(Controller.of(this), chunk)
    }
    error(reason) {
      errorBoth(Controller.of(this), reason)
    }
    terminate() {
      const transform = Controller.of(this)
      finish(transform)
      errorWritable(transform, new TypeError('The transform has ended the stream'))
    }
  }

  class TransformStream {
    constructor(transformer = {}, writableStrategy = {}, readableStrategy = {}) {
      dictionary(transformer, 'The transformer')
      const inner = shared.strategy(readableStrategy, 0)
      const outer = shared.strategy(writableStrategy, 1)
      const transform = { isFull: false, changed: undefined, started: deferred() }
      transform.face = Controller.on(Object.create(TransformStreamDefaultController.prototype), transform)
      const pass = (chunk) => enqueue(transform, chunk)
      transform.run = method(transformer, 'transform') ?? pass
      transform.flush = method(transformer, 'flush') ?? nothing
      transform.cancel = method(transformer, 'cancel') ?? nothing
      make(transform, outer.most, outer.size, inner.most, inner.size)
      transform.readableFace = shared.faceOfReadable(transform.readable)
      transform.writableFace = shared.faceOfWritable(transform.writable)
      Stream.on(this, transform)
      const begin = method(transformer, 'start') ?? nothing
      transform.started.resolve(begin(transform.face))
    }
    get readable() {
      return Stream.of(this).readableFace
    }
    get writable() {
      return Stream.of(this).writableFace
    }
  }

  publish('TransformStream', TransformStream)
  publish('TransformStreamDefaultController', TransformStreamDefaultController)
}
