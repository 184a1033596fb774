import { execFile } from 'node:child_process'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import test from 'ava'
import { interpreter } from './helpers/python.js'
import { scratchFolder } from './helpers/scratch.js'

// `npm run lambda:layer`.

const repository = fileURLToPath(new URL('..', import.meta.url))
const runFile = promisify(execFile)
const { NODE_OPTIONS: _, NODE_CHANNEL_FD: __, ...env } = process.env
const layer = (cwd: string, ...args: string[]) =>
  runFile(process.execPath, [join(repository, 'scripts/lambda-layer.mjs'), ...args], { env: { ...env, INIT_CWD: cwd } })

/** As Lambda does it: with modes and symbolic links. */
const UNZIP = `
import os, sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as archive:
    for entry in archive.infolist():
        mode = entry.external_attr >> 16
        path = os.path.join(sys.argv[2], entry.filename)
        if mode & 0o170000 == 0o120000:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            os.symlink(archive.read(entry).decode(), path)
        else:
            archive.extract(entry, sys.argv[2])
            os.chmod(path, mode & 0o777)
`

test('a file that needs a newer glibc than Lambda has is refused by name', async (t) => {
  const folder = await scratchFolder(t)
  const refused = layer(folder, '--out', 'layer.zip', '--python', interpreter, '--glibc', '2.2')
  const { stdout = '', stderr = '' } = await t.throwsAsync<Error & { stdout?: string; stderr?: string }>(refused)
  t.regex(
    stdout + stderr,
    /Lambda has glibc 2\.2, and these need a newer one: .*amphis\.linux-x64-gnu\.node \(2\.\d+\).*deploy an image/s,
  )
})

test('a layer has all that an app needs', async (t) => {
  const folder = await scratchFolder(t, {
    'requirements.txt': 'sniffio\n',
    'main.py': `
import sys
import sniffio

async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": sys.prefix.encode()})
`,
    'function.mjs': `
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'
const found = createRequire('/').resolve(process.env.OPT + '/nodejs/node_modules/amphis')
const { PythonHandler } = await import(pathToFileURL(found))
const python = new PythonHandler({ app: 'main:app', lifespan: 'off' })
console.log(await (await python.handle({ url: '/' })).text())
await python.close()
`,
  })
  const args = ['--out', 'layer.zip', '--python', interpreter, '--requirements', 'requirements.txt', '--glibc', '9.9']
  const { stdout } = await layer(folder, ...args)
  t.regex(stdout, /layer\.zip: \d+ MB unpacked, no file needs more than glibc 9\.9\./)
  const opt = join(folder, 'opt')
  await mkdir(opt)
  await runFile(interpreter, ['-c', UNZIP, join(folder, 'layer.zip'), opt])
  const ran = await runFile(process.execPath, ['function.mjs'], {
    cwd: folder,
    env: { PATH: '/nowhere', OPT: opt, AMPHIS_PYTHON: join(opt, 'python/bin/python3') },
  })
  t.is(ran.stdout.trim(), join(opt, 'python'))
})
