import { spawnSync } from 'node:child_process'
import { statSync } from 'node:fs'
import test, { type ExecutionContext } from 'ava'
import { compileAllocator, compileExtension, compileLibrary, type Language, type Linking } from './helpers/compiled.js'
import { evaluate } from './helpers/fake-python.js'
import { runNode } from './helpers/node-process.js'
import { amphisRun, type PlainRun, sameAsPython, start } from './helpers/plain-python.js'
import { fixtures, interpreter, testOptions } from './helpers/python.js'
import { scratchFolder } from './helpers/scratch.js'

// Node exports the C libraries inside it. Whatever Python loads has to run on its own, as outside of Node.

const env = { KNOWN_TO_THE_TEST: 'a value' }

/** The order in which modules may come: numpy's are in C++, and it brings libraries that need zlib. */
const orders = [
  [],
  ['numpy'],
  ['numpy', 'gzip'],
  ['numpy', 'binascii'],
  ['numpy', 'ssl'],
  ['numpy', '_hashlib'],
  ['numpy', 'sqlite3'],
  ['numpy', 'uvloop'],
  ['gzip', 'ssl', 'numpy'],
  ['uvloop', 'numpy'],
]

/** A library that `ctypes` is the first to load. */
const byName = [['libz.so.1'], ['libz.so.1', 'numpy', 'gzip']]

for (const order of process.platform === 'linux' ? [...orders, ...byName] : orders) {
  const title = order.join(', then ') || 'nothing'
  test(`a script that imports ${title} first runs on Python’s own libraries`, async (t) => {
    const { code, stderr } = await sameAsPython(t, { args: ['libraries.py', ...order], cwd: fixtures, env })
    t.is(code, 0, stderr)
  })
}

/** What the same Python says outside of Node. */
async function alone(t: ExecutionContext, order: readonly string[]): Promise<unknown> {
  const { stdout, stderr } = await start(t, [interpreter, 'libraries.py', ...order], {
    cwd: fixtures,
    env,
    stdin: '',
  }).ends()
  t.is(stderr, '')
  return JSON.parse(stdout)
}

for (const order of [['numpy'], ['numpy', 'ssl'], ['uvloop', 'numpy']]) {
  for (const where of ['main thread', 'worker thread']) {
    test(`an app of a ${where} that imports ${order.join(', then ')} first runs on Python’s own libraries`, async (t) => {
      const ask = `
        const handler = new PythonHandler(options)
        console.log('facts ' + (await (await handler.handle({ url: '/' })).text()))
        await handler.close()`
      const inWorker = `
        const { Worker } = await import('node:worker_threads')
        const source = ${JSON.stringify(`
          import { workerData } from 'node:worker_threads'
          const { publicFace, options } = workerData
          const { PythonHandler } = await import(publicFace)
          ${ask}`)}
        new Worker(new URL('data:text/javascript,' + encodeURIComponent(source)), { workerData: { publicFace, options } })`
      const child = runNode(
        t,
        testOptions({ app: 'libraries:app', lifespan: 'on' }),
        where === 'main thread' ? ask : inWorker,
        { env: { ...env, IMPORTS: order.join(' ') } },
      )
      const { code, signal, stdout, stderr } = await child.ends()
      t.is(signal ?? code, 0, stderr)
      t.deepEqual(JSON.parse(/^facts (.*)$/m.exec(stdout)?.[1] ?? 'null'), await alone(t, order))
    })
  }
}

/** Whether the program has zlib in it, as Debian's has: what a library calls of its own is that one's there. */
const hasZlib = spawnSync(interpreter, ['-c', 'import ctypes; ctypes.CDLL(None).zlibVersion']).status === 0

/** Runs as under python, where that program gives a library its own functions. */
const runVendored = (t: ExecutionContext, { args, ...more }: PlainRun) =>
  hasZlib ? start(t, [...amphisRun, ...args], more).ends() : sameAsPython(t, { args, ...more })

const says = `
import ctypes, json, os, extension
extension.greet()
print(json.dumps([extension.versions(), extension.environment() == len(os.environb), extension.allocate()]))
`

if (process.platform === 'linux') {
  for (const language of ['c', 'c++'] as Language[]) {
    for (const linking of ['beside it', 'in it'] as Linking[]) {
      test(`a module in ${language} with a library ${linking} runs on that library`, async (t) => {
        const folder = await scratchFolder(t)
        const PYTHONPATH = await compileExtension(folder, language, linking)
        const { stdout, stderr } = await runVendored(t, { args: ['-c', says], env: { PYTHONPATH } })
        t.true(
          stdout.startsWith('greetings\n[["vendored", "vendored", "vendored", "vendored"], true, '),
          stdout + stderr,
        )
      })

      test(`a module in ${language} with a library ${linking} keeps a malloc that is replaced`, async (t) => {
        const folder = await scratchFolder(t)
        const PYTHONPATH = await compileExtension(folder, language, linking)
        const LD_PRELOAD = await compileAllocator(folder)
        const { code, stdout, stderr } = await runVendored(t, { args: ['-c', says], env: { PYTHONPATH, LD_PRELOAD } })
        t.is(code, 0, stderr)
        t.true(stdout.includes('"vendored"], true, "what libc has copied"]'), stdout)
      })
    }
  }

  test('Python’s own libraries work with a malloc that is replaced', async (t) => {
    const LD_PRELOAD = await compileAllocator(await scratchFolder(t))
    const args = ['libraries.py', 'numpy']
    const { code, stderr } = await sameAsPython(t, { args, cwd: fixtures, env: { ...env, LD_PRELOAD } })
    t.is(code, 0, stderr)
  })

  test('a library that ctypes loads runs on its own functions', async (t) => {
    const library = await compileLibrary(await scratchFolder(t))
    const code = `
import ctypes, sys
library = ctypes.CDLL(sys.argv[1])
for name in "vendored_zlib", "vendored_libuv":
    function = library[name]
    function.restype = ctypes.c_char_p
    print(function())
try: ctypes.CDLL("libmissing.so")
except OSError as error: print(error)
`
    const { stdout } = await runVendored(t, { args: ['-c', code, library] })
    t.true(stdout.startsWith("b'vendored'\nb'vendored'\nlibmissing.so: cannot open"), stdout)
  })

  test('a module that cannot be loaded says why', async (t) => {
    const folder = await scratchFolder(t, { 'extension.abi3.so': 'junk' })
    const { code, stderr } = await sameAsPython(t, { args: ['-c', 'import extension'], env: { PYTHONPATH: folder } })
    t.is(code, 1)
    t.true(stderr.includes('extension.abi3.so: file too short'), stderr)
  })

  test('nothing of Node’s is taken from Node', async (t) => {
    const child = runNode(
      t,
      testOptions({ app: 'libraries:app', lifespan: 'on' }),
      `const { gzipSync, gunzipSync } = await import('node:zlib')
       const { createHash } = await import('node:crypto')
       const before = gzipSync('amphis')
       const handler = new PythonHandler(options)
       await (await handler.handle({ url: '/' })).text()
       console.log(String(gunzipSync(before)), gzipSync('amphis').equals(before), createHash('md5').update('').digest('hex'))
       await handler.close()`,
      { env: { ...env, IMPORTS: 'numpy' } },
    )
    const { stdout, stderr } = await child.ends()
    t.is(stdout, 'amphis true d41d8cd98f00b204e9800998ecf8427e\n', stderr)
  })
}

test('a library that an addon of Node’s was the first to need is bound to itself once Python needs it', async (t) => {
  // Node.js keeps nothing that is no addon, but for RTLD_NODELETE; what it says then comes after it has loaded it.
  const child = runNode(
    t,
    testOptions({ app: 'libraries:app', lifespan: 'on' }),
    `const { constants } = await import('node:os')
     for (const name of ['libz.so.1', 'libcrypto.so.3', 'libssl.so.3', 'libsqlite3.so.0']) {
       try { process.dlopen({ exports: {} }, name, constants.dlopen.RTLD_NOW | 0x1000) } catch {}
     }
     const handler = new PythonHandler(options)
     console.log(await (await handler.handle({ url: '/' })).text())
     await handler.close()`,
    { env: { ...env, IMPORTS: 'gzip' } },
  )
  const { code, signal, stdout, stderr } = await child.ends()
  t.is(signal ?? code, 0, stderr)
  t.deepEqual(JSON.parse(stdout), await alone(t, ['gzip']))
})

/** As distributions build it: zlib is then called by libpython itself. */
async function hasZlibBuiltIn(python: string): Promise<boolean> {
  return (await evaluate(
    python,
    '"zlib" in sys.builtin_module_names and bool(sysconfig.get_config_var("Py_ENABLE_SHARED"))',
  )) as boolean
}

for (const python of ['/usr/bin/python3', interpreter].filter((path) => statSync(path, { throwIfNoEntry: false }))) {
  test(`${python === interpreter ? 'the tests’ Python' : python} has the zlib of its own, built in or not`, async (t) => {
    t.log((await hasZlibBuiltIn(python)) ? 'zlib is built in' : 'zlib is a module')
    const code = `
import json, os, sys, zlib, gzip
print(json.dumps([zlib.ZLIB_RUNTIME_VERSION, gzip.decompress(gzip.compress(b"a" * 99999)) == b"a" * 99999,
  zlib.crc32(b"amphis"), os.environ.get("KNOWN_TO_THE_TEST"), sys.version]))`
    const run = [process.execPath, amphisRun[1], 'run', '--python', python] as const
    const [expected, actual] = await Promise.all(
      [[python] as const, run].map((command) =>
        start(t, [...command, '-c', code] as [string, ...string[]], { env, stdin: '' }).ends(),
      ),
    )
    t.deepEqual(actual, expected)
    t.is(actual?.code, 0, actual?.stderr)
  })
}
