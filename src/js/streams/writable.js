// WritableStream: chunks go to a sink one after another, and writers learn when there is room.
;(shared) => {
  const { slot, deferred, resolved, rejected, quiet, attempt, safely, after, method, dictionary, queue, publish } =
    shared
  const Stream = slot('WritableStream')
  const Writer = slot('WritableStreamDefaultWriter')
  const Controller = slot('WritableStreamDefaultController')
  const nothing = () => undefined

  const isClosing = (stream) => stream.closing !== undefined || stream.isClosingNow

  const room = (stream) => {
    if (stream.state === 'errored' || stream.state === 'erroring') return null
    return stream.state === 'closed' ? 0 : stream.most - stream.queue.size
  }

  const letGo = (stream) => {
    stream.queue.clear()
    Object.assign(stream, { write: nothing, close: nothing, abort: nothing, size: nothing })
  }

  const refuseReady = (writer, reason) => {
    if (writer.isReadySettled) writer.ready = deferred()
    writer.isReadySettled = true
    quiet(writer.ready.promise)
    writer.ready.reject(reason)
  }

  const refuseClosed = (writer, reason) => {
    quiet(writer.closed.promise)
    writer.closed.reject(reason)
  }

  const notice = (stream) => {
    const isFull = stream.state === 'writable' && !isClosing(stream) && room(stream) <= 0
    if (isFull === stream.isFull) return
    stream.isFull = isFull
    const { writer } = stream
    if (writer === undefined) return
    if (isFull) {
      writer.ready = deferred()
      writer.isReadySettled = false
    } else {
      writer.isReadySettled = true
      writer.ready.resolve()
    }
  }

  const isBusy = (stream) => stream.writing !== undefined || stream.isClosingNow

  const refuseAll = (stream) => {
    stream.closing?.reject(stream.error)
    stream.closing = undefined
    if (stream.writer !== undefined) refuseClosed(stream.writer, stream.error)
  }

  const finishErroring = (stream) => {
    stream.state = 'errored'
    const { aborting, abort } = stream
    while (stream.queue.length > 0) stream.queue.take().written.reject(stream.error)
    letGo(stream)
    stream.aborting = undefined
    if (aborting === undefined) return refuseAll(stream)
    if (aborting.wasErroring) {
      aborting.reject(stream.error)
      return refuseAll(stream)
    }
    const aborted = () => {
      aborting.resolve()
      refuseAll(stream)
    }
    const failed = (reason) => {
      aborting.reject(reason)
      refuseAll(stream)
    }
    after(attempt(abort, aborting.reason), aborted, failed)
  }

  const startErroring = (stream, reason) => {
    stream.state = 'erroring'
    stream.error = reason
    if (stream.writer !== undefined) refuseReady(stream.writer, reason)
    if (!isBusy(stream) && stream.isStarted) finishErroring(stream)
  }

  const deal = (stream, reason) => {
    if (stream.state === 'writable') startErroring(stream, reason)
    else if (stream.state === 'erroring') finishErroring(stream)
  }

  const write = (stream, { chunk, written }) => {
    stream.writing = written
    const done = () => {
      written.resolve()
      stream.writing = undefined
      stream.queue.take()
      if (stream.state === 'writable') notice(stream)
      advance(stream)
    }
    const failed = (reason) => {
      stream.queue.take()
      written.reject(reason)
      stream.writing = undefined
      deal(stream, reason)
    }
    after(attempt(stream.write, chunk, stream.face), done, failed)
  }

  const closeNow = (stream) => {
    const { closing, close } = stream
    stream.isClosingNow = true
    stream.closing = undefined
    const done = () => {
      closing.resolve()
      stream.isClosingNow = false
      stream.aborting?.resolve()
      stream.aborting = undefined
      stream.state = 'closed'
      stream.writer?.closed.resolve()
    }
    const failed = (reason) => {
      closing.reject(reason)
      stream.isClosingNow = false
      stream.aborting?.reject(reason)
      stream.aborting = undefined
      deal(stream, reason)
    }
    letGo(stream)
    after(attempt(close), done, failed)
  }

  const advance = (stream) => {
    if (!stream.isStarted || isBusy(stream)) return
    if (stream.state === 'erroring') finishErroring(stream)
    else if (stream.state !== 'writable') return
    else if (stream.queue.length > 0) write(stream, stream.queue.peek())
    else if (stream.closing !== undefined) closeNow(stream)
  }

  const error = (stream, reason) => {
    if (stream.state === 'writable') startErroring(stream, reason)
  }

  const abort = (stream, reason) => {
    if (stream.state === 'closed' || stream.state === 'errored') return resolved()
    if (stream.aborting !== undefined) return stream.aborting.promise
    const wasErroring = stream.state === 'erroring'
    const aborting = { ...deferred(), reason: wasErroring ? undefined : reason, wasErroring }
    stream.aborting = aborting
    if (!wasErroring) startErroring(stream, reason)
    return aborting.promise
  }

  const close = (stream) => {
    if (stream.state === 'closed' || stream.state === 'errored' || isClosing(stream)) {
      return rejected(new TypeError('The stream is closed, or has an error'))
    }
    const closing = deferred()
    stream.closing = closing
    if (stream.writer !== undefined && stream.isFull && stream.state === 'writable') {
      stream.writer.isReadySettled = true
      stream.writer.ready.resolve()
      stream.isFull = false
    }
    advance(stream)
    return closing.promise
  }

  // A chunk, for whoever has the writer.
  const add = (stream, chunk) => {
    let size = 1
    if (stream.state === 'writable') {
      try {
        size = stream.size(chunk)
      } catch (reason) {
        error(stream, reason)
        return rejected(reason)
      }
    }
    if (stream.state === 'errored' || stream.state === 'erroring') return rejected(stream.error)
    if (stream.state === 'closed' || isClosing(stream)) return rejected(new TypeError('The stream is closed'))
    const written = deferred()
    try {
      stream.queue.add({ chunk, written }, size)
    } catch (reason) {
      error(stream, reason)
      return rejected(reason)
    }
    notice(stream)
    advance(stream)
    return written.promise
  }

  // A stream that has a sink of our own.
  const make = (sink, most = 1) => ({
    state: 'writable',
    error: undefined,
    writer: undefined,
    most,
    queue: queue(),
    size: sink.size ?? (() => 1),
    write: sink.write ?? nothing,
    close: sink.close ?? nothing,
    abort: sink.abort ?? nothing,
    isStarted: false,
    isFull: most <= 0,
    isClosingNow: false,
    writing: undefined,
    closing: undefined,
    aborting: undefined,
    face: undefined,
  })

  const start = (stream, begin) => {
    const settled = (reason) => {
      stream.isStarted = true
      if (reason === undefined) return advance(stream)
      return deal(stream, reason.error)
    }
    after(
      resolved(begin(stream.face)),
      () => settled(),
      (reason) => settled({ error: reason }),
    )
  }

  const makeOwn = (sink, most, ready) => {
    const stream = make(sink, most)
    start(stream, () => ready)
    return stream
  }

  const acquire = (stream) => {
    if (stream.writer !== undefined) throw new TypeError('The stream is locked: it has a writer')
    const writer = { stream, ready: deferred(), closed: deferred(), isReadySettled: true }
    stream.writer = writer
    if (stream.state === 'erroring' || stream.state === 'errored') {
      quiet(writer.ready.promise)
      writer.ready.reject(stream.error)
      if (stream.state === 'errored') refuseClosed(writer, stream.error)
    } else if (stream.state === 'writable' && stream.isFull && !isClosing(stream)) {
      writer.isReadySettled = false
    } else {
      writer.ready.resolve()
      if (stream.state === 'closed') writer.closed.resolve()
    }
    return writer
  }

  const release = (writer) => {
    const { stream } = writer
    if (stream === undefined) return
    const reason = new TypeError('The writer has been released')
    refuseReady(writer, reason)
    if (stream.state === 'closed' || stream.state === 'errored') writer.closed = deferred()
    refuseClosed(writer, reason)
    stream.writer = undefined
    writer.stream = undefined
  }

  class WritableStreamDefaultController {
    constructor() {
      shared.unmade()
    }
    error(reason) {
      error(Controller.of(this), reason)
    }
  }

  const streamOf = (writer) => {
    const { stream } = Writer.of(writer)
    if (stream === undefined) throw new TypeError('The writer has been released')
    return stream
  }

  class WritableStreamDefaultWriter {
    constructor(stream) {
      return Writer.on(this, acquire(Stream.of(stream)))
    }
    get closed() {
      return Writer.has(this) ? Writer.of(this).closed.promise : rejected(new TypeError('This is no writer'))
    }
    get ready() {
      return Writer.has(this) ? Writer.of(this).ready.promise : rejected(new TypeError('This is no writer'))
    }
    get desiredSize() {
      return room(streamOf(this))
    }
    write(chunk) {
      return safely(() => add(streamOf(this), chunk))
    }
    close() {
      return safely(() => close(streamOf(this)))
    }
    abort(reason) {
      return safely(() => abort(streamOf(this), reason))
    }
    releaseLock() {
      release(Writer.of(this))
    }
  }

  class WritableStream {
    constructor(sink = {}, strategy = {}) {
      dictionary(sink, 'The sink')
      if (sink?.type !== undefined) throw new RangeError('A sink has no type')
      const { most, size } = shared.strategy(strategy, 1)
      const begin = method(sink, 'start')
      const stream = make(
        { write: method(sink, 'write'), close: method(sink, 'close'), abort: method(sink, 'abort'), size },
        most,
      )
      stream.face = Controller.on(Object.create(WritableStreamDefaultController.prototype), stream)
      const object = Stream.put(new.target, stream)
      start(stream, begin ?? nothing)
      return object
    }

    get locked() {
      return Stream.of(this).writer !== undefined
    }

    abort(reason) {
      return safely(() => {
        const stream = Stream.of(this)
        if (stream.writer !== undefined) throw new TypeError('The stream is locked: its writer can abort it')
        return abort(stream, reason)
      })
    }

    close() {
      return safely(() => {
        const stream = Stream.of(this)
        if (stream.writer !== undefined) throw new TypeError('The stream is locked: its writer can close it')
        return close(stream)
      })
    }

    getWriter() {
      return new WritableStreamDefaultWriter(this)
    }
  }

  publish('WritableStream', WritableStream)
  publish('WritableStreamDefaultWriter', WritableStreamDefaultWriter)
  publish('WritableStreamDefaultController', WritableStreamDefaultController)
  Object.assign(shared, { Writable: Stream, faceOfWritable: (stream) => Stream.put(WritableStream, stream) })
  shared.writable = { make: makeOwn, acquire, release, add, close, abort, error, room, isClosing }
}
