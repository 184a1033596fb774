import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import * as fc from 'fast-check'
import { findVirtualEnvironment, parsePyvenvConfig } from '../lib/python/pyvenv-config.js'
import { temporaryFolder, writeDeep } from './helpers/fake-python.js'

test('reads what python -m venv writes', (t) => {
  const text = `home = /usr/bin
include-system-site-packages = false
version = 3.11.7
executable = /usr/bin/python3.11
command = /usr/bin/python3 -m venv /srv/app/.venv
`
  t.deepEqual(parsePyvenvConfig(text), { home: '/usr/bin', version: [3, 11, 7] })
})

test('reads what virtualenv writes', (t) => {
  const text = `home = /opt/python/bin
implementation = CPython
version_info = 3.12.1.final.0
virtualenv = 20.25.0
include-system-site-packages = false
base-prefix = /opt/python
`
  t.deepEqual(parsePyvenvConfig(text), { home: '/opt/python/bin', implementation: 'CPython', version: [3, 12, 1] })
})

test('reads what uv writes', (t) => {
  const text = `home = /home/me/.local/share/uv/python/cpython-3.13.0-linux-x86_64-gnu/bin
implementation = CPython
uv = 0.5.1
version_info = 3.13
include-system-site-packages = false
prompt = app
`
  t.deepEqual(parsePyvenvConfig(text), {
    home: '/home/me/.local/share/uv/python/cpython-3.13.0-linux-x86_64-gnu/bin',
    implementation: 'CPython',
    version: [3, 13],
  })
})

test('leaves out what is missing, empty or no version', (t) => {
  t.deepEqual(parsePyvenvConfig(''), {})
  t.deepEqual(parsePyvenvConfig('home =\nversion = latest\nimplementation =\n'), {})
  t.deepEqual(parsePyvenvConfig('home\nversion\n'), {})
  t.deepEqual(parsePyvenvConfig('version = unknown\nversion_info = 3.11.2\n'), { version: [3, 11, 2] })
})

test('keeps an equals sign in a path', (t) => {
  t.deepEqual(parsePyvenvConfig('home = /opt/a=b/bin'), { home: '/opt/a=b/bin' })
})

const path = fc
  .array(fc.stringMatching(/^[^\p{Cc}\p{Z}\u2028\u2029/\uFEFF]+$/u), { minLength: 1 })
  .map((parts) => `/${parts.join('/')}`)
const version = fc.tuple(fc.nat({ max: 9999 }), fc.nat({ max: 9999 }), fc.nat({ max: 9999 }))
const space = fc.stringMatching(/^[ \t]{0,3}$/)
const noise = fc
  .stringMatching(/^[^\r\n]{0,20}$/)
  .filter((line) => !['home', 'version', 'version_info'].includes(line.split('=')[0]!.trim().toLowerCase()))

test('finds home and version between any other lines, with any spaces, case and line ends', (t) => {
  fc.assert(
    fc.property(
      path,
      version,
      fc.constantFrom('version', 'VERSION', 'version_info', 'Version_Info'),
      fc.constantFrom('\n', '\r\n', '\r'),
      fc.array(noise),
      space,
      (home, [major, minor, micro], key, lineEnd, lines, blank) => {
        const versionLine = `${blank}${key}${blank}=${blank}${major}.${minor}.${micro}${blank}`
        const text = [...lines, `${blank}HOME${blank}=${blank}${home}${blank}`, ...lines, versionLine, ...lines]
        const config = parsePyvenvConfig(text.join(lineEnd))
        t.is(config.home, home)
        t.deepEqual(config.version, [major, minor, micro])
      },
    ),
  )
})

test('lets the first of two equal keys count, as CPython does', (t) => {
  fc.assert(
    fc.property(path, path, (first, second) => {
      t.is(parsePyvenvConfig(`home = ${first}\nhome = ${second}\n`).home, first)
    }),
  )
})

test('never throws, whatever the file holds', (t) => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const { home, version: found, implementation } = parsePyvenvConfig(text)
      t.not(home, '')
      t.not(implementation, '')
      t.true(found === undefined || found.every((part) => Number.isInteger(part)))
    }),
  )
})

test('finds the environment of an interpreter above its folder, or in it', async (t) => {
  const folder = await temporaryFolder(t)
  await writeDeep(join(folder, 'above', 'pyvenv.cfg'), 'home = /usr/bin\n')
  await writeDeep(join(folder, 'beside', 'bin', 'pyvenv.cfg'), 'home = /usr/bin\n')
  t.deepEqual(await findVirtualEnvironment(join(folder, 'above', 'bin', 'python')), {
    root: join(folder, 'above'),
    config: { home: '/usr/bin' },
  })
  t.deepEqual(await findVirtualEnvironment(join(folder, 'beside', 'bin', 'python')), {
    root: join(folder, 'beside', 'bin'),
    config: { home: '/usr/bin' },
  })
})

test('finds no environment where there is none', async (t) => {
  const folder = await temporaryFolder(t)
  await mkdir(join(folder, 'bin'))
  t.is(await findVirtualEnvironment(join(folder, 'bin', 'python')), undefined)
})
