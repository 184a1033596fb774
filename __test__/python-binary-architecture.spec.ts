import { join } from 'node:path'
import test from 'ava'
import * as fc from 'fast-check'
import { parseArchitectures, readArchitectures } from '../lib/python/binary-architecture.js'
import { elfHeader, fatHeader, machHeader, temporaryFolder, writeDeep } from './helpers/fake-python.js'

test('knows its own architecture from the binary of Node.js', (t) => {
  const architectures = readArchitectures(process.execPath)
  t.true(architectures?.includes(process.arch))
})

test('reads ELF for each architecture', (t) => {
  for (const architecture of ['x64', 'arm64', 'arm', 'ia32', 'ppc64', 'riscv64', 'loong64']) {
    t.deepEqual(parseArchitectures(elfHeader(architecture)), [architecture])
  }
})

test('reads ELF of either byte order', (t) => {
  t.deepEqual(parseArchitectures(elfHeader('s390x', { bigEndian: true })), ['s390x'])
})

test('tells x86-64 code with 32-bit pointers from x64', (t) => {
  t.deepEqual(parseArchitectures(elfHeader('x64', { bits: 32 })), ['x32'])
})

test('names a machine that it does not know by its number', (t) => {
  t.deepEqual(parseArchitectures(elfHeader('unheard-of')), ['ELF machine 65520'])
  t.deepEqual(parseArchitectures(machHeader('unheard-of')), ['Mach-O cpu 2147418112'])
})

test('reads Mach-O', (t) => {
  t.deepEqual(parseArchitectures(machHeader('arm64')), ['arm64'])
  t.deepEqual(parseArchitectures(machHeader('x64')), ['x64'])
})

test('reads every slice of a universal binary', (t) => {
  t.deepEqual(parseArchitectures(fatHeader(['x64', 'arm64'])), ['x64', 'arm64'])
  t.deepEqual(parseArchitectures(fatHeader(['x64', 'arm64'], { wide: true })), ['x64', 'arm64'])
})

test('takes a Java class, which begins as a universal binary does, for neither', (t) => {
  const javaClass = Buffer.alloc(1024)
  javaClass.writeUInt32BE(0xcafe_babe, 0)
  javaClass.writeUInt32BE(61, 4)
  t.is(parseArchitectures(javaClass), undefined)
})

test('says nothing of scripts, empty files and files that are not there', async (t) => {
  const folder = await temporaryFolder(t)
  t.is(readArchitectures(await writeDeep(join(folder, 'script'), '#!/bin/sh\necho not a binary\n')), undefined)
  t.is(readArchitectures(await writeDeep(join(folder, 'empty'), '')), undefined)
  t.is(readArchitectures(join(folder, 'missing')), undefined)
  t.is(readArchitectures(folder), undefined)
})

test('never throws, however a header is cut or garbled', (t) => {
  const headers = [elfHeader('x64'), machHeader('arm64'), fatHeader(['x64', 'arm64'])]
  fc.assert(
    fc.property(fc.constantFrom(...headers), fc.nat({ max: 64 }), fc.uint8Array(), (header, length, tail) => {
      const architectures = parseArchitectures(Buffer.concat([header.subarray(0, length), tail]))
      t.true(architectures === undefined || architectures.length > 0)
    }),
  )
})
