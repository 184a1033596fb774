// The ends that Python has of a runtime's streams, and those that a runtime has of Python's. The engine takes these
// functions; src/js/streams.rs has the same numbers.
;(shared) => {
  const { Readable, Writable, readable, writable, attempt, promise, quiet, after, resolved } = shared
  const kinds = { none: 0, readable: 1, writable: 2 }
  // What Python asks of an end, and an end of Python.
  const ask = { next: 0, cancel: 1, write: 2, close: 3, abort: 4, drop: 5 }

  const kindOf = (object) =>
    Readable.has(object) ? kinds.readable : Writable.has(object) ? kinds.writable : kinds.none

  // A stream is locked when Python first does something with it. Until then it may be dropped, and is JavaScript's.

  const lendReadable = (stream) => {
    let reader
    const next = () =>
      promise((resolve, fail) =>
        readable.read(reader, {
          give: (value) => resolve({ __proto__: null, done: false, value }),
          close: () => resolve({ __proto__: null, done: true }),
          fail,
        }),
      )
    return (what) => {
      if (what === ask.drop && reader === undefined) return undefined
      reader ??= readable.acquire(stream)
      if (what === ask.next) return next()
      if (reader.stream === undefined) return undefined
      // How long the source takes over it is its own affair.
      quiet(readable.cancel(stream))
      readable.release(reader)
      return undefined
    }
  }

  const lendWritable = (stream) => {
    let writer
    const act = (what, value) => {
      if (what === ask.write) return after(writer.ready.promise, () => writable.add(stream, value))
      if (what === ask.close) return writable.close(stream)
      if (what === ask.abort) return writable.abort(stream, value)
      quiet(writable.abort(stream, new TypeError('Python has dropped the stream')))
      return resolved()
    }
    return (what, value) => {
      if (what === ask.drop && writer === undefined) return undefined
      writer ??= writable.acquire(stream)
      const done = after(act(what, value), () => undefined)
      if (what !== ask.write) writable.release(writer)
      return done
    }
  }

  const lend = (object) => {
    if (Readable.has(object)) return lendReadable(Readable.of(object))
    return lendWritable(Writable.of(object))
  }

  // Somebody has let go of a stream half-way: what Python has of it ends.
  const dropped = new FinalizationRegistry((step) => quiet(attempt(step, ask.drop)))

  const adoptReadable = (step) => {
    const stream = readable.make(
      {
        pull: (controller) =>
          after(
            attempt(step, ask.next),
            (found) => {
              if (found !== null) return readable.enqueue(controller, found[0])
              quiet(attempt(step, ask.drop))
              return readable.finish(controller)
            },
            (error) => {
              quiet(attempt(step, ask.drop))
              throw error
            },
          ),
        cancel: () => attempt(step, ask.cancel),
      },
      0,
    )
    dropped.register(stream, step)
    return shared.faceOfReadable(stream)
  }

  const adoptWritable = (step) => {
    // What cannot cross is told as the text that it has.
    const abort = (reason) => {
      const inWords = () => attempt(step, ask.abort, `${reason?.name ?? 'Error'}: ${reason?.message ?? 'aborted'}`)
      return after(attempt(step, ask.abort, reason), undefined, inWords)
    }
    const write = (chunk) =>
      after(attempt(step, ask.write, chunk), undefined, (error) => {
        quiet(abort(error))
        throw error
      })
    const stream = writable.make({ write, close: () => attempt(step, ask.close), abort })
    dropped.register(stream, step)
    return shared.faceOfWritable(stream)
  }

  const adopt = (kind, step) => (kind === kinds.readable ? adoptReadable(step) : adoptWritable(step))

  return { __proto__: null, classes: shared.classes, kindOf, lend, adopt }
}
