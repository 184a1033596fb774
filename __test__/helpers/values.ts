// What the specs of values share: payloads made and read without Python.

import { Decoder } from '../../lib/values/decode.js'
import { Encoder, type EncodeHandles, type Encoded } from '../../lib/values/encode.js'

/** Stands for a handle of either language. */
export class Handle {
  constructor(
    readonly tag: number,
    readonly kind: number,
    readonly id: number,
    readonly name: string,
  ) {}
}

/** Stands for what the handles make of an error. */
export class Failure {
  constructor(
    readonly original: unknown,
    readonly fields: Record<string, unknown>,
  ) {}
}

/** Gives each object a handle of its own, the first one 0, and knows them again. */
export class Handles implements EncodeHandles {
  readonly given: object[] = []

  handleOf(value: object): { tag: 18 | 19; kind: number; id: number; name: string } {
    if (value instanceof Handle) {
      const { tag, kind, id, name } = value
      return { tag: tag === 19 ? 19 : 18, kind, id, name }
    }
    return { tag: 18, kind: 0, id: this.given.push(value) - 1, name: 'given' }
  }

  python(kind: number, id: number, name: string): unknown {
    return new Handle(19, kind, id, name)
  }

  own(id: number): unknown {
    return this.given[id] ?? new Handle(18, 0, id, '')
  }

  error(original: unknown, fields: Record<string, unknown>): unknown {
    return new Failure(original, fields)
  }
}

export function encode(value: unknown, handles: EncodeHandles = new Handles(), transfer?: ArrayBuffer[]): Encoded {
  const encoder = new Encoder(handles)
  encoder.begin(transfer)
  encoder.value(value, 'args')
  return encoder.end()
}

export function textOf({ bytes, length }: Encoded): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, length).toString('latin1')
}

/** Copies of the memory beside a tape, as the other side makes them. */
export function partsOf({ buffers }: Encoded): Buffer[] {
  return buffers.map((view) => Buffer.from(Buffer.from(view.buffer, view.byteOffset, view.byteLength)))
}

export function decode(text: string, parts?: readonly Buffer[], handles = new Handles()): unknown {
  const decoder = new Decoder(handles)
  decoder.begin(text, 0, parts, 0)
  const value = decoder.value('result')
  if (decoder.at !== text.length) {
    throw new Error(`read ${decoder.at} of ${text.length} bytes`)
  }
  return value
}

/** What comes of a value that is encoded and decoded. */
export function thereAndBack(value: unknown, handles = new Handles()): unknown {
  const encoded = encode(value, handles)
  return decode(textOf(encoded), partsOf(encoded), handles)
}
