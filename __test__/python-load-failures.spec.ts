import { join } from 'node:path'
import test from 'ava'
import { AmphisError } from '../lib/base/errors.js'
import { libpythonError, loadLibpython } from '../lib/python/load.js'
import { elfHeader, foreignArchitecture, machHeader, temporaryFolder, writeDeep } from './helpers/fake-python.js'

test('refuses a library for another architecture, whatever the loader says of it', async (t) => {
  const folder = await temporaryFolder(t)
  const headers = {
    elf: elfHeader(foreignArchitecture),
    small: elfHeader('ia32'),
    mach: machHeader(foreignArchitecture),
  }
  for (const [name, header] of Object.entries(headers)) {
    const libpython = await writeDeep(join(folder, name, 'libpython3.12.so.1.0'), header)
    const error = t.throws<AmphisError>(() => loadLibpython({ libpython }), { instanceOf: AmphisError })
    t.is(error.code, 'AMPHIS_ERR_PYTHON_ARCH')
    t.true(error.message.includes(libpython) && error.message.includes(process.arch), error.message)
    t.true(error.cause instanceof Error)
  }
})

test("refuses a library that does not load, with the loader's own words", async (t) => {
  const folder = await temporaryFolder(t)
  const junk = await writeDeep(join(folder, 'libpython3.12.so.1.0'), 'junk'.repeat(400))
  for (const libpython of [junk, join(folder, 'missing', 'libpython3.12.so.1.0')]) {
    const error = t.throws<AmphisError>(() => loadLibpython({ libpython }), { instanceOf: AmphisError })
    t.is(error.code, 'AMPHIS_ERR_LIBPYTHON_NOT_FOUND')
    t.true(error.message.startsWith(`${libpython} cannot be loaded: `), error.message)
    const { message } = error.cause as Error
    t.true(error.message.includes(message), message)
  }
})

test('tells a library for musl from one that is broken', (t) => {
  const said = new Error('libc.musl-x86_64.so.1: cannot open shared object file: No such file or directory')
  const error = libpythonError('/opt/lib/libpython3.12.so.1.0', said)
  t.is(error.code, 'AMPHIS_ERR_LIBPYTHON_NOT_FOUND')
  t.regex(error.message, /libpython3\.12.* is built for musl.*Use a Python that is built for glibc/)
  t.is(error.cause, said)
})

test('says so when Node.js may not load addons', (t) => {
  const said = new Error('Cannot load native addon because loading addons is disabled.')
  const error = libpythonError('/opt/lib/libpython3.12.so.1.0', said)
  t.is(error.code, 'AMPHIS_ERR_BINDING')
  t.regex(error.message, /--no-addons/)
  t.is(error.cause, said)
})
