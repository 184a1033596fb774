// Runs what Python calls.
import { types } from 'node:util'
import type { Decoder } from '../values/decode.js'
import { ARRAY } from '../values/tags.js'
import { withinChain } from './chain.js'
import { exportOf, importModule, namesOf } from './importing.js'
import { isClass, nameOf, type JavaScriptObjects } from './objects.js'
import { asBytes, closed, type Owner } from './owner.js'
import { AWAIT, CALL, END, GET, IMPORT, ITERATE, JS, KIND, NEXT, RAISED, RETURN, VALUE } from './protocol.js'
import { within, type Invocation } from './signal.js'
import { ThrownValue } from './thrown-value.js'

/** What Python asks for. */
interface Question {
  readonly operation: number
  /** The call of a thread that is blocked in this one; 0 for none. */
  readonly chain: number
  readonly object: object | undefined
  readonly name: string
  readonly base: string
  readonly args: unknown[]
}

/** One call of Python's. */
export interface Served extends Invocation {
  readonly owner: Owner
  readonly call: number
}

const ENDED = Symbol('ended')

/** What it needs of its environment. */
export interface Serving {
  readonly objects: JavaScriptObjects
  /** A call is under way beyond this turn. */
  begin(served: Served): void
  /** It is answered now, or nobody waits any more; also of one that has not begun. */
  end(served: Served): void
}

/** Runs a call, and answers it. */
export function serve(
  served: Served,
  serving: Serving,
  text: string,
  at: number,
  buffers: readonly Buffer[],
  buffer: number,
): void {
  const { owner } = served
  try {
    if (owner.isClosing) {
      throw closed()
    }
    const { objects } = serving
    const question = owner.decode(text, at, buffers, buffer, (decoder) => read(decoder, objects))
    if (question.operation === IMPORT) {
      serving.begin(served)
      void answerImport(served, serving, importModule(question.name, question.base, owner.appDir))
      return
    }
    const { chain } = question
    const result = chain === 0 ? run(served, question) : withinChain(chain, () => run(served, question))
    if (isThenable(result)) {
      serving.begin(served)
      result.then(
        (value) => {
          serving.end(served)
          answerWith(served, value)
        },
        (error: unknown) => {
          serving.end(served)
          answerError(served, error)
        },
      )
    } else {
      answerWith(served, result)
    }
  } catch (error) {
    serving.end(served)
    answerError(served, error)
  }
}

function read(decoder: Decoder, objects: JavaScriptObjects): Question {
  const operation = decoder.byte()
  const chain = decoder.varint()
  const number = decoder.varint()
  const name = decoder.string()
  const base = decoder.string()
  const args: unknown[] = []
  for (let left = decoder.varint(); left > 0; left--) {
    args.push(decoder.value(args.length === 0 ? 'args[0]' : `args[${args.length}]`))
  }
  return { operation, chain, object: number === 0 ? undefined : objects.get(number), name, base, args }
}

const run = (served: Served, question: Question): unknown => within(served, () => perform(question))

function perform({ operation, object, name, args }: Question): unknown {
  if (object === undefined) {
    throw new ReferenceError('This object of JavaScript was released.')
  }
  switch (operation) {
    case CALL:
      return callFunction(object, name, args)
    case GET:
      return member(object, name)
    case ITERATE:
      return iteratorOf(object)
    case NEXT:
      return step(object as Iterator<unknown> | AsyncIterator<unknown>)
    case RETURN:
      return (object as AsyncIterator<unknown>).return?.(undefined)
    case AWAIT:
      return object
    default:
      throw new TypeError(`There is no operation ${operation}.`)
  }
}

function member(object: object, name: string): unknown {
  return types.isModuleNamespaceObject(object) ? exportOf(object, name) : (object as Record<string, unknown>)[name]
}

function callFunction(object: object, name: string, args: unknown[]): unknown {
  const target = name === '' ? object : member(object, name)
  if (typeof target !== 'function') {
    throw new TypeError(`${name === '' ? nameOf(object) : name} is not a function, but ${shown(target)}.`)
  }
  if (isClass(target)) {
    return Reflect.construct(target, args)
  }
  return Reflect.apply(target, name === '' ? undefined : object, args) as unknown
}

function shown(value: unknown): string {
  return value === null ? 'null' : typeof value
}

function iteratorOf(object: object): unknown {
  const iterable = object as Partial<AsyncIterable<unknown> & Iterable<unknown>> & { next?: unknown }
  const iterator =
    iterable[Symbol.asyncIterator]?.() ??
    iterable[Symbol.iterator]?.() ??
    (typeof iterable.next === 'function' ? object : undefined)
  if (iterator === undefined) {
    throw new TypeError(`${nameOf(object) || 'This object'} is not iterable.`)
  }
  return new Handle(iterator)
}

/** A value that stays here, whatever it is. */
class Handle {
  readonly value: object

  constructor(value: object) {
    this.value = value
  }
}

function step(iterator: Iterator<unknown> | AsyncIterator<unknown>): unknown {
  const result = iterator.next()
  return isThenable(result) ? result.then((each) => unwrap(each)) : unwrap(result)
}

function unwrap({ done, value }: IteratorResult<unknown>): unknown {
  return done === true ? ENDED : value
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    ((typeof value === 'object' && value !== null) || typeof value === 'function') &&
    typeof (value as { then?: unknown }).then === 'function'
  )
}

function answerWith(served: Served, result: unknown): void {
  const { owner, call } = served
  if (served.isAborted) {
    return
  }
  try {
    owner.encode((encoder) => {
      if (result === ENDED) {
        encoder.byte(END)
      } else if (result instanceof Handle) {
        const { tag, kind, id, name } = owner.handleOf(result.value)
        encoder.byte(VALUE)
        encoder.byte(tag)
        encoder.byte(kind)
        encoder.varint(id)
        encoder.string(name)
      } else {
        encoder.byte(VALUE)
        encoder.value(result, 'result')
      }
      const { bytes, length, buffers } = encoder.end()
      owner.native.answer(call, bytes, length, asBytes(buffers))
    })
  } catch (error) {
    answerError(served, error)
  }
}

async function answerImport(served: Served, serving: Serving, imported: Promise<object>): Promise<void> {
  try {
    const namespace = await imported
    serving.end(served)
    answerModule(served, namespace, serving.objects)
  } catch (error) {
    serving.end(served)
    answerError(served, error)
  }
}

function answerModule(served: Served, namespace: object, objects: JavaScriptObjects): void {
  const { owner, call } = served
  if (served.isAborted) {
    return
  }
  try {
    owner.encode((encoder) => {
      encoder.byte(VALUE)
      // An array of the module and its names.
      encoder.byte(ARRAY)
      encoder.varint(2)
      encoder.byte(JS)
      encoder.byte(KIND.module)
      encoder.varint(objects.give(namespace))
      encoder.string('module')
      encoder.value(namesOf(namespace), 'names')
      const { bytes, length } = encoder.end()
      owner.native.answer(call, bytes, length, undefined)
    })
  } catch (error) {
    answerError(served, error)
  }
}

function answerError(served: Served, error: unknown): void {
  const { owner, call } = served
  if (served.isAborted) {
    return
  }
  const thrown = error instanceof Error ? error : new ThrownValue(error)
  try {
    send(thrown)
  } catch (failure) {
    // What it holds can't be given; what it says can.
    const bare = new Error(thrown.message)
    bare.name = thrown.name
    bare.stack = thrown.stack ?? ''
    try {
      send(bare)
    } catch {
      throw failure
    }
  }

  function send(what: Error): void {
    owner.encode((encoder) => {
      encoder.byte(RAISED)
      encoder.value(what, 'error')
      const { bytes, length, buffers } = encoder.end()
      owner.native.answer(call, bytes, length, asBytes(buffers))
    })
  }
}
