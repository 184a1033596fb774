// ReadableStream: a queue of chunks that is filled when somebody reads.
;(shared) => {
  const { slot, deferred, resolved, rejected, quiet, attempt, safely, after, method, dictionary, queue, publish } =
    shared
  const Stream = slot('ReadableStream')
  const Reader = slot('ReadableStreamDefaultReader')
  const Controller = slot('ReadableStreamDefaultController')
  const nothing = () => undefined

  // Of a stream, its reader, and its controller.

  const close = (stream) => {
    stream.state = 'closed'
    const { reader } = stream
    if (reader === undefined) return
    reader.closed.resolve()
    while (reader.requests.length > 0) reader.requests.take().close()
  }

  const fail = (stream, error) => {
    stream.state = 'errored'
    stream.error = error
    const { reader } = stream
    if (reader === undefined) return
    quiet(reader.closed.promise)
    reader.closed.reject(error)
    while (reader.requests.length > 0) reader.requests.take().fail(error)
  }

  // Nothing of the source is needed any more.
  const letGo = (controller) => {
    controller.queue.clear()
    controller.pull = nothing
    controller.cancel = nothing
    controller.size = nothing
  }

  const isOpen = (controller) => !controller.isClosing && controller.stream.state === 'readable'

  const room = ({ stream, most, queue: chunks }) => {
    if (stream.state === 'errored') return null
    return stream.state === 'closed' ? 0 : most - chunks.size
  }

  const error = (controller, reason) => {
    if (controller.stream.state !== 'readable') return
    letGo(controller)
    fail(controller.stream, reason)
  }

  const pull = (controller) => {
    const isWanted = (controller.stream.reader?.requests.length ?? 0) > 0 || room(controller) > 0
    if (!isOpen(controller) || !controller.isStarted || !isWanted) return
    if (controller.isPulling) {
      controller.pullsAgain = true
      return
    }
    controller.isPulling = true
    const pulled = () => {
      controller.isPulling = false
      if (!controller.pullsAgain) return
      controller.pullsAgain = false
      pull(controller)
    }
    after(attempt(controller.pull, controller.face), pulled, (reason) => error(controller, reason))
  }

  const enqueue = (controller, chunk) => {
    if (!isOpen(controller)) throw new TypeError('The stream takes no more chunks: it is closed')
    const requests = controller.stream.reader?.requests
    if (requests?.length > 0) {
      requests.take().give(chunk)
    } else {
      try {
        controller.queue.add(chunk, controller.size(chunk))
      } catch (reason) {
        error(controller, reason)
        throw reason
      }
    }
    pull(controller)
  }

  const finish = (controller) => {
    if (!isOpen(controller)) throw new TypeError('The stream is closed already')
    controller.isClosing = true
    if (controller.queue.length > 0) return
    letGo(controller)
    close(controller.stream)
  }

  const start = (controller, begin) => {
    const started = () => {
      controller.isStarted = true
      pull(controller)
    }
    after(resolved(begin(controller.face)), started, (reason) => error(controller, reason))
  }

  // A stream that has a source of our own: `pull` and `cancel` get the controller's record.
  const make = (source, most = 1) => {
    const stream = { state: 'readable', error: undefined, reader: undefined, controller: undefined, isDisturbed: false }
    const controller = {
      stream,
      most,
      queue: queue(),
      size: source.size ?? (() => 1),
      pull: source.pull ?? nothing,
      cancel: source.cancel ?? nothing,
      isStarted: false,
      isPulling: false,
      pullsAgain: false,
      isClosing: false,
      face: undefined,
    }
    controller.face = controller
    stream.controller = controller
    return stream
  }

  const faceOf = (stream) => Stream.put(ReadableStream, stream)

  const makeOwn = (source, most, ready) => {
    const stream = make(source, most)
    start(stream.controller, () => ready)
    return stream
  }

  const acquire = (stream) => {
    if (stream.reader !== undefined) throw new TypeError('The stream is locked: it has a reader')
    const reader = { stream, requests: queue(), closed: deferred() }
    stream.reader = reader
    if (stream.state === 'closed') reader.closed.resolve()
    if (stream.state === 'errored') {
      quiet(reader.closed.promise)
      reader.closed.reject(stream.error)
    }
    return reader
  }

  const release = (reader) => {
    const { stream, requests } = reader
    if (stream === undefined) return
    const reason = new TypeError('The reader has been released')
    if (stream.state !== 'readable') reader.closed = deferred()
    quiet(reader.closed.promise)
    reader.closed.reject(reason)
    stream.reader = undefined
    reader.stream = undefined
    while (requests.length > 0) requests.take().fail(reason)
  }

  // A request has `give`, `close` and `fail`.
  const read = ({ stream }, request) => {
    stream.isDisturbed = true
    if (stream.state === 'closed') return request.close()
    if (stream.state === 'errored') return request.fail(stream.error)
    const { controller } = stream
    if (controller.queue.length === 0) {
      stream.reader.requests.add(request)
      return pull(controller)
    }
    const chunk = controller.queue.take()
    if (controller.isClosing && controller.queue.length === 0) {
      letGo(controller)
      close(stream)
    } else {
      pull(controller)
    }
    return request.give(chunk)
  }

  const readChunk = (reader) =>
    shared.promise((resolve, reject) => {
      const give = (value) => resolve({ value, done: false })
      read(reader, { give, close: () => resolve({ value: undefined, done: true }), fail: reject })
    })

  const cancel = (stream, reason) => {
    stream.isDisturbed = true
    if (stream.state === 'closed') return resolved()
    if (stream.state === 'errored') return rejected(stream.error)
    close(stream)
    const leave = stream.controller.cancel
    letGo(stream.controller)
    return after(attempt(leave, reason), nothing)
  }

  const tee = (stream) => {
    const reader = acquire(stream)
    const branches = []
    const cancelled = deferred()
    const reasons = []
    let isReading = false
    let readsAgain = false
    const each = (what) => {
      for (const index of [0, 1]) if (!(index in reasons)) what(branches[index].controller)
    }
    const pullBoth = () => {
      if (isReading) {
        readsAgain = true
        return
      }
      isReading = true
      read(reader, {
        give(chunk) {
          after(resolved(), () => {
            readsAgain = false
            each((branch) => enqueue(branch, chunk))
            isReading = false
            if (readsAgain) pullBoth()
          })
        },
        close() {
          isReading = false
          each((branch) => isOpen(branch) && finish(branch))
          cancelled.resolve()
        },
        fail() {
          isReading = false
        },
      })
    }
    const branch = (index) =>
      makeOwn({
        pull: pullBoth,
        cancel(reason) {
          reasons[index] = reason
          if (0 in reasons && 1 in reasons) cancelled.resolve(cancel(stream, [reasons[0], reasons[1]]))
          return cancelled.promise
        },
      })
    branches[0] = branch(0)
    branches[1] = branch(1)
    after(reader.closed.promise, undefined, (reason) => {
      each((controller) => error(controller, reason))
      cancelled.resolve()
    })
    return branches
  }

  // What the guest has.

  const bytesOf = (chunk) => {
    if (!ArrayBuffer.isView(chunk)) throw new TypeError('A stream of bytes takes typed arrays only')
    if (chunk.byteLength === 0) throw new TypeError('A chunk of bytes cannot be empty')
    return new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength)
  }

  class ReadableStreamDefaultController {
    constructor() {
      shared.unmade()
    }
    get desiredSize() {
      return room(Controller.of(this))
    }
    enqueue(chunk) {
      const controller = Controller.of(this)
      enqueue(controller, controller.isBytes ? bytesOf(chunk) : chunk)
    }
    close() {
      finish(Controller.of(this))
    }
    error(reason) {
      error(Controller.of(this), reason)
    }
  }

  class ReadableByteStreamController extends ReadableStreamDefaultController {
    get byobRequest() {
      return null
    }
  }

  class ReadableStreamDefaultReader {
    constructor(stream) {
      return Reader.on(this, acquire(Stream.of(stream)))
    }
    get closed() {
      return Reader.has(this) ? Reader.of(this).closed.promise : rejected(new TypeError('This is no reader'))
    }
    read() {
      return safely(() => {
        const reader = Reader.of(this)
        if (reader.stream === undefined) throw new TypeError('The reader has been released')
        return readChunk(reader)
      })
    }
    cancel(reason) {
      return safely(() => {
        const { stream } = Reader.of(this)
        if (stream === undefined) throw new TypeError('The reader has been released')
        return cancel(stream, reason)
      })
    }
    releaseLock() {
      release(Reader.of(this))
    }
  }

  const AsyncIteratorPrototype = Object.getPrototypeOf(Object.getPrototypeOf(async function* () {}).prototype)

  const iterate = (stream, keeps) => {
    const reader = acquire(stream)
    let last = resolved()
    let isDone = false
    const inTurn = (step) => {
      last = after(last, step, step)
      return last
    }
    const leave = () => {
      isDone = true
      release(reader)
    }
    return {
      __proto__: AsyncIteratorPrototype,
      next: () =>
        inTurn(() => {
          if (isDone) return { value: undefined, done: true }
          const left = (reason) => {
            leave()
            throw reason
          }
          const found = (result) => {
            if (result.done) leave()
            return result
          }
          return after(readChunk(reader), found, left)
        }),
      return: (value) =>
        inTurn(() => {
          const result = { value, done: true }
          if (isDone) return result
          const cancelled = keeps ? resolved() : cancel(stream, value)
          leave()
          return after(cancelled, () => result)
        }),
    }
  }

  class ReadableStream {
    constructor(source = {}, strategy = {}) {
      dictionary(source, 'The source')
      const isBytes = source?.type !== undefined
      if (isBytes && String(source.type) !== 'bytes') throw new TypeError('The type of a source is "bytes", or none')
      if (isBytes && strategy?.size !== undefined) throw new RangeError('A stream of bytes has sizes of its own')
      const { most, size } = shared.strategy(strategy, isBytes ? 0 : 1)
      const begin = method(source, 'start')
      const stream = make(
        {
          pull: method(source, 'pull'),
          cancel: method(source, 'cancel'),
          size: isBytes ? (chunk) => chunk.byteLength : size,
        },
        most,
      )
      const { controller } = stream
      controller.isBytes = isBytes
      controller.face = Object.create(
        (isBytes ? ReadableByteStreamController : ReadableStreamDefaultController).prototype,
      )
      Controller.on(controller.face, controller)
      const object = Stream.put(new.target, stream)
      start(controller, begin ?? nothing)
      return object
    }

    static from(iterable) {
      const begin = method(iterable, Symbol.asyncIterator) ?? method(iterable, Symbol.iterator)
      if (begin === undefined) throw new TypeError('ReadableStream.from takes an iterable')
      const iterator = begin()
      const next = method(iterator, 'next')
      return faceOf(
        makeOwn(
          {
            pull: (controller) =>
              after(attempt(next), (result) => {
                if (result.done) return finish(controller)
                return after(resolved(result.value), (chunk) => enqueue(controller, chunk))
              }),
            cancel: (reason) => method(iterator, 'return')?.(reason),
          },
          0,
        ),
      )
    }

    get locked() {
      return Stream.of(this).reader !== undefined
    }

    cancel(reason) {
      return safely(() => {
        const stream = Stream.of(this)
        if (stream.reader !== undefined) throw new TypeError('The stream is locked: its reader can cancel it')
        return cancel(stream, reason)
      })
    }

    getReader(options = {}) {
      if (dictionary(options, 'Options').mode !== undefined) {
        throw new TypeError('A runtime has no readers that bring their own buffers ("byob")')
      }
      return new ReadableStreamDefaultReader(this)
    }

    pipeTo(destination, options) {
      return safely(() => shared.pipe(Stream.of(this), shared.Writable.of(destination), options))
    }

    pipeThrough(transform, options) {
      const { readable, writable } = dictionary(transform, 'The transform')
      const source = Stream.of(this)
      const destination = shared.Writable.of(writable)
      Stream.of(readable)
      if (source.reader !== undefined || destination.writer !== undefined) {
        throw new TypeError('The stream is locked already')
      }
      quiet(attempt(() => shared.pipe(source, destination, options)))
      return readable
    }

    tee() {
      return tee(Stream.of(this)).map(faceOf)
    }

    values(options = {}) {
      return iterate(Stream.of(this), Boolean(dictionary(options, 'Options').preventCancel))
    }
  }
  Object.defineProperty(ReadableStream.prototype, Symbol.asyncIterator, {
    value: ReadableStream.prototype.values,
    writable: true,
    configurable: true,
  })

  publish('ReadableStream', ReadableStream)
  publish('ReadableStreamDefaultReader', ReadableStreamDefaultReader)
  publish('ReadableStreamDefaultController', ReadableStreamDefaultController)
  publish('ReadableByteStreamController', ReadableByteStreamController)
  Object.assign(shared, { Readable: Stream, faceOfReadable: faceOf })
  shared.readable = { make: makeOwn, acquire, release, read, cancel, enqueue, finish, error, room, isOpen }
}
