/** What functions do to their containers, and builds to theirs: contained, others undisturbed, each with its own error. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { zipSync } from 'fflate'
import { startServer, type ServerProcess } from './server-process.js'
import { prepare } from './support.js'

const { dist, containers, folder } = await prepare()
const offline = join(folder, 'offline')
let server: ServerProcess
const others = { name: 'others', runtime: 'node', handler: 'index.handler' }

const deploy = (spec: object, files: object) =>
  server.ask('POST', '/yafaas/functions', { memory: 192, timeout: 3_000, ...spec, files })
const invoke = (name: string, payload: unknown = {}) =>
  server.ask('POST', '/yafaas/events', { function: name, payload })

/** A wheel as pip takes it: there is no index to have it from. */
function wheel(): Uint8Array {
  const files: Record<string, string> = {
    'tiny.py': 'WORD = "tiny"\n',
    'tiny-1.0.dist-info/METADATA': 'Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n',
    'tiny-1.0.dist-info/WHEEL': 'Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n',
  }
  const record = Object.entries(files).map(
    ([name, text]) => `${name},sha256=${createHash('sha256').update(text).digest('base64url')},${text.length}`,
  )
  files['tiny-1.0.dist-info/RECORD'] = `${[...record, 'tiny-1.0.dist-info/RECORD,,'].join('\n')}\n`
  return zipSync(Object.fromEntries(Object.entries(files).map(([name, text]) => [name, Buffer.from(text)])))
}

before(async () => {
  await mkdir(join(offline, 'pip'), { recursive: true })
  await writeFile(join(offline, 'pip', 'tiny-1.0-py3-none-any.whl'), wheel())
  server = await startServer(dist, containers.socket, containers.image, [
    '--state',
    join(folder, 'state'),
    '--port',
    '0',
    '--offline',
    offline,
  ])
  const deployed = await deploy(others, { 'index.mjs': 'export const handler = (event) => event' })
  assert.equal(deployed.status, 201, deployed.text)
})
after(async () => {
  for (const { name } of (
    JSON.parse((await server.ask('GET', '/yafaas/functions')).text) as { functions: { name: string }[] }
  ).functions) {
    await server.ask('DELETE', `/yafaas/functions/${name}`)
  }
  await server.end('SIGTERM')
})

const attacks = `
import os, sys, time

def bomb():
    while True:
        try:
            os.fork()
        except OSError:
            pass

def hog():
    held = []
    while True:
        held.append(bytearray(8_000_000))

def loop():
    while True:
        pass

def fill():
    with open("/tmp/full", "wb") as file:
        while True:
            file.write(b"x" * 1_000_000)

def shout():
    for _ in range(100_000):
        print("x" * 1_000)
    return "said"

def answer():
    return "x" * 2_000_000

def handler(event, context):
    attack = event.get("attack")
    return globals()[attack]() if attack else "well"
`

const expected: Record<string, RegExp> = {
  bomb: /Function\.TimedOut|Function\.Exited/,
  // A container that is too small may be killed as a whole: then nobody answered it three times.
  hog: /Function\.Exited|Event\.Lost|MemoryError/,
  loop: /Function\.TimedOut/,
  fill: /OSError/,
  answer: /Function\.ResponseTooLarge/,
}

for (const [attack, error] of Object.entries(expected)) {
  test(
    `${attack}: it is contained, others do not notice, and the next invocation is well`,
    { timeout: 120_000 },
    async () => {
      const name = `attack-${attack}`
      const deployed = await deploy(
        { name, runtime: 'python', handler: 'app.handler', timeout: 5_000 },
        { 'app.py': attacks },
      )
      assert.equal(deployed.status, 201, deployed.text)
      const attacked = invoke(name, { attack })
      const undisturbed = await Promise.all(Array.from({ length: 5 }, (_, n) => invoke('others', { n })))
      for (const [n, { status, body }] of undisturbed.entries()) {
        assert.equal(status, 200)
        assert.deepEqual(body.result, { n })
      }
      const { status, body, text } = await attacked
      assert.equal(status, 502, text)
      assert.match(body.error.errorType, error)
      const well = await invoke(name)
      assert.equal(well.body.result, 'well', well.text)
      await server.ask('DELETE', `/yafaas/functions/${name}`)
    },
  )
}

test('100 MB of output are cut off, and the answer comes', { timeout: 120_000 }, async () => {
  await deploy({ name: 'shouts', runtime: 'python', handler: 'app.handler', timeout: 60_000 }, { 'app.py': attacks })
  const { body, text } = await invoke('shouts', { attack: 'shout' })
  assert.equal(body.result, 'said', text)
  const logs = (await server.ask('GET', '/yafaas/functions/shouts/logs?tail=10000')).text
  assert.match(logs, /the output is cut off after 262144 bytes/)
  assert.ok(logs.length < 2_000_000, `${logs.length} bytes of logs`)
})

test('packages are installed for both languages, without a network', { timeout: 120_000 }, async () => {
  const python = await deploy(
    { name: 'packaged-py', runtime: 'python', handler: 'app.handler' },
    {
      'requirements.txt': 'tiny==1.0\n',
      'app.py': 'import tiny\n\ndef handler(event, context):\n    return tiny.WORD\n',
    },
  )
  assert.equal(python.status, 201, python.text)
  assert.equal((await invoke('packaged-py')).body.result, 'tiny')
  const node = await deploy(
    { name: 'packaged-js', runtime: 'node', handler: 'index.handler' },
    {
      'package.json': JSON.stringify({ dependencies: { tiny: 'file:./tiny' } }),
      'tiny/package.json': JSON.stringify({ name: 'tiny', version: '1.0.0', main: 'tiny.js' }),
      'tiny/tiny.js': 'module.exports = "tiny"',
      'index.mjs': 'import tiny from "tiny"\nexport const handler = () => tiny',
    },
  )
  assert.equal(node.status, 201, node.text)
  assert.equal((await invoke('packaged-js')).body.result, 'tiny')
})

test('a build that fails gives its own error, and leaves nothing', { timeout: 120_000 }, async () => {
  const failed = await deploy(
    { name: 'unknown', runtime: 'python', handler: 'app.handler' },
    { 'requirements.txt': 'no-such-package==9\n', 'app.py': '' },
  )
  assert.equal(failed.status, 422)
  assert.equal(failed.body.error.code, 'build')
  assert.match(failed.body.error.log, /No matching distribution found for no-such-package==9/)
  assert.equal((await server.ask('GET', '/yafaas/functions/unknown')).status, 404)
  const labels = { label: ['amphis.functions.build'] }
  assert.deepEqual(await containers.docker.listContainers({ all: true, filters: labels }), [])
})

test('scripts of packages are as contained as functions are', { timeout: 120_000 }, async () => {
  const probe = `
    const fs = require('fs')
    const attempt = (action) => { try { return action() } catch (error) { return error.code } }
    const file = fs.openSync('/build/full', 'w')
    const tried = {
      uid: process.getuid(),
      root: attempt(() => fs.writeFileSync('/opt/mark', 'x')),
      network: Object.keys(require('os').networkInterfaces()),
      engine: fs.existsSync('/var/run/docker.sock'),
      disk: attempt(() => { for (;;) fs.writeSync(file, Buffer.alloc(10_000_000)) }),
    }
    fs.closeSync(file)
    fs.rmSync('/build/full')
    fs.writeFileSync('node_modules/tried.json', JSON.stringify(tried))`
  const { status, text } = await deploy(
    { name: 'scripts', runtime: 'node', handler: 'index.handler' },
    {
      'package.json': JSON.stringify({
        dependencies: { probe: 'file:./probe' },
        scripts: { postinstall: 'node probe.cjs' },
      }),
      'probe.cjs': probe,
      'probe/package.json': JSON.stringify({ name: 'probe', version: '1.0.0' }),
      'index.cjs': 'exports.handler = () => require("./node_modules/tried.json")',
    },
  )
  assert.equal(status, 201, text)
  assert.deepEqual((await invoke('scripts')).body.result, {
    uid: 65532,
    root: 'EROFS',
    network: ['lo'],
    engine: false,
    disk: 'ENOSPC',
  })
})
