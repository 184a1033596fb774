// The tapes of fixtures/values.json, to which the Rust tests hold the other language.

import { readFileSync } from 'node:fs'
import { runInThisContext } from 'node:vm'
import test from 'ava'
import { NdArray } from '../lib/values/ndarray.js'
import { decode, encode, Failure, Handle, textOf } from './helpers/values.js'

interface Vector {
  readonly name: string
  readonly tape: string
  readonly javascript: string
  readonly writes: 'both' | 'javascript' | 'python' | 'neither'
}

const vectors = JSON.parse(readFileSync(new URL('../fixtures/values.json', import.meta.url), 'utf8')) as Vector[]

function evaluate(code: string): unknown {
  const names = {
    NdArray,
    handle: (...parts: ConstructorParameters<typeof Handle>) => new Handle(...parts),
    failure: (...parts: ConstructorParameters<typeof Failure>) => new Failure(...parts),
  }
  const body = runInThisContext(`({ NdArray, handle, failure }) => (${code})`) as (given: typeof names) => unknown
  return body(names)
}

/** What of a handle comes over: Python's number says it all on the way home. */
function withoutDetails(value: unknown): unknown {
  return value instanceof Handle && value.tag === 18 ? new Handle(18, 0, value.id, '') : value
}

for (const { name, tape, javascript, writes } of vectors) {
  test(`reads ${name}`, (t) => {
    const value = decode(Buffer.from(tape, 'hex').toString('latin1'))
    t.deepEqual(withoutDetails(value), withoutDetails(evaluate(javascript)))
  })

  if (writes === 'both' || writes === 'javascript') {
    test(`writes ${name}`, (t) => {
      const encoded = encode(evaluate(javascript))
      t.deepEqual(encoded.buffers, [])
      t.is(Buffer.from(textOf(encoded), 'latin1').toString('hex'), tape)
    })
  }
}

test('has a tape for every tag', (t) => {
  const tags = new Set(vectors.map(({ tape }) => Number.parseInt(tape.slice(0, 2), 16)))
  // A buffer is beside the tape, a reference within an object.
  const expected = Array.from({ length: 22 }, (_, tag) => tag).filter((tag) => tag !== 10 && tag !== 17)
  t.deepEqual(
    [...tags].toSorted((a, b) => a - b),
    expected,
  )
})
