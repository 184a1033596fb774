import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { request } from './helpers/client.js'
import { amphisRun, start } from './helpers/plain-python.js'
import { serveInProcess } from './helpers/served-process.js'

// V8 lets WebAssembly fault outside of its memory and makes an exception of the SIGSEGV. Python's faulthandler, which
// pytest enables, and whoever else takes that signal must leave it that.

/** Loads from an address far outside of a memory of one page. */
const outOfBounds = `
  const code = '0061736d0100000001060160017f017f03020100050301000107080104' + '6c6f616400000a0901070020002802000b'
  const { instance } = await WebAssembly.instantiate(Buffer.from(code, 'hex'))
  function outOfBounds() {
    try { return String(instance.exports.load(0x7fffffff)) } catch (error) { return error.message }
  }`

const THROWN = 'memory access out of bounds'

/** Ways in which Python code takes SIGSEGV. */
const takers = {
  'faulthandler.enable()': 'import faulthandler; faulthandler.enable()',
  'faulthandler.enable() once more':
    'import faulthandler; faulthandler.enable(); faulthandler.disable(); faulthandler.enable()',
  'a faulthandler that is imported anew':
    'import sys; sys.modules.pop("faulthandler", None); import faulthandler; faulthandler.enable()',
  'signal.signal()': 'import signal; signal.signal(signal.SIGSEGV, print)',
  // As an extension module does when it is loaded: the C library's function, and then the end of an import.
  'an extension module': `
import ctypes, sys
libc = ctypes.CDLL("libc.so.6" if sys.platform == "linux" else None)
libc.signal.argtypes = [ctypes.c_int, ctypes.c_void_p]
libc.signal(11, ctypes.cast(libc.abort, ctypes.c_void_p))
sys.modules.pop("_lsprof", None)
import _lsprof`,
} as const

async function serve(t: ExecutionContext, source: string) {
  const { url, process } = await serveInProcess(
    t,
    { app: 'executes:app' },
    `${outOfBounds}
     import { Worker } from 'node:worker_threads'
     const inWorker = ${JSON.stringify(`
       const { parentPort } = process.getBuiltinModule('node:worker_threads')
       void (async () => { ${outOfBounds}; parentPort.postMessage(outOfBounds()) })()`)}
     ${source}`,
  )
  return {
    process,
    javascript: async (where: string) => (await request(`${url}/${where}`)).text,
    python: async (body: string) => (await request(`${url}/python`, { method: 'POST', body })).status,
  }
}

const server = `
  const server = http.createServer((req, res) => {
    if (req.url === '/main') res.end(outOfBounds())
    else if (req.url === '/worker') new Worker(inWorker, { eval: true }).on('message', (text) => res.end(text))
    else handler.listener(req, res)
  })`

for (const [title, code] of Object.entries(takers)) {
  test.serial(`WebAssembly throws in every thread, whatever Python has taken: ${title}`, async (t) => {
    const { javascript, python } = await serve(t, server)
    t.is(await javascript('main'), THROWN)
    for (let time = 0; time < 2; time++) {
      t.is(await python(code), 200)
      t.is(await javascript('main'), THROWN)
      t.is(await javascript('worker'), THROWN)
    }
  })
}

test.serial('a crash of Python is still reported by faulthandler, and ends the process by its signal', async (t) => {
  const { javascript, python, process } = await serve(t, server)
  t.is(await python(takers['faulthandler.enable()']), 200)
  t.is(await javascript('main'), THROWN)
  await python('import ctypes; ctypes.string_at(0)').catch(() => {})
  const { signal, stderr } = await process.ends()
  t.is(signal, 'SIGSEGV')
  t.regex(stderr, /^Fatal Python error: Segmentation fault$/m)
  t.is(stderr.match(/Fatal Python error/g)?.length, 1, stderr)
})

test.serial('without faulthandler a crash ends the process by its signal', async (t) => {
  const { python, process } = await serve(t, server)
  await python('import ctypes; ctypes.string_at(0)').catch(() => {})
  t.is((await process.ends()).signal, 'SIGSEGV')
})

test.serial('faulthandler.register() leaves Node its listener', async (t) => {
  const { python, process } = await serve(
    t,
    `${server}\nlet heard = 0\nprocess.on('SIGUSR2', () => console.log('heard ' + ++heard + ';'))`,
  )
  t.is(await python('import faulthandler; faulthandler.register(signal.SIGUSR2)'), 200)
  process.child.kill('SIGUSR2')
  await process.prints('heard 1;')
  await process.prints('most recent call first')
  t.is(await python('faulthandler.unregister(signal.SIGUSR2)'), 200)
  process.child.kill('SIGUSR2')
  await process.prints('heard 2;')
})

// Plain Python

/** JavaScript of the process that runs Python: answers a file with what WebAssembly does, once Python has asked by one. */
const beside = (folder: string) =>
  `--import=data:text/javascript,${encodeURIComponent(`
  import { existsSync, writeFileSync } from 'node:fs'
  ${outOfBounds}
  setInterval(() => {
    if (existsSync('${folder}/question')) writeFileSync('${folder}/answer', outOfBounds())
  }, 5).unref()`)}`

const asks = `
import os, pathlib, time
folder = pathlib.Path(os.environ["FOLDER"])
def ask():
    (folder / "question").write_text("")
    for _ in range(2000):
        if (folder / "answer").exists() and (text := (folder / "answer").read_text()):
            return text
        time.sleep(0.005)
`

for (const [title, args, file] of [
  ['pytest', ['-m', 'pytest', '-q', 'test_it.py'], `${asks}\ndef test_it(): assert ask() == "${THROWN}"`],
  ['-X faulthandler', ['-X', 'faulthandler', 'test_it.py'], `${asks}\nprint(ask())`],
  ['faulthandler.enable()', ['test_it.py'], `${asks}\nimport faulthandler; faulthandler.enable()\nprint(ask())`],
] as const) {
  test.serial(`WebAssembly throws under amphis run: ${title}`, async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'amphis-'))
    t.teardown(() => rm(folder, { recursive: true }))
    await writeFile(join(folder, 'test_it.py'), file)
    const child = start(t, [...amphisRun, ...args], {
      cwd: folder,
      env: { NODE_OPTIONS: beside(folder), FOLDER: folder },
      stdin: '',
    })
    const { code, signal, stdout, stderr } = await child.ends()
    t.is(code, 0, `${signal}\n${stdout}\n${stderr}`)
    t.regex(stdout, title === 'pytest' ? /1 passed/ : new RegExp(THROWN))
  })
}
