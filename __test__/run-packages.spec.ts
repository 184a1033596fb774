import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import { createCertificate } from './helpers/certificate.js'
import { program } from './helpers/command-line.js'
import { amphisRun, sameAsPython, start } from './helpers/plain-python.js'
import { interpreter, python } from './helpers/python.js'

const click = fileURLToPath(new URL('../.cache/sources/click-8.5.1', import.meta.url))

async function folder(t: ExecutionContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'amphis-'))
  t.teardown(() => rm(path, { recursive: true }))
  return path
}

test('a package’s own tests pass under amphis -m pytest as under python -m pytest', async (t) => {
  const suites = ['test_utils', 'test_testing.py', 'test_termui.py', 'test_abort_interrupt.py', 'test_imports.py']
  const args = ['-m', 'pytest', '-q', '-p', 'no:cacheprovider', ...suites.map((suite) => join('tests', suite))]
  const settings = { cwd: click, env: { PYTHONPATH: join(click, 'src'), PYTHONDONTWRITEBYTECODE: '1' }, stdin: '' }
  const short = { ...settings, env: { ...settings.env, AMPHIS_PYTHON: python } }
  const [expected, actual] = await Promise.all([
    start(t, [interpreter, ...args], settings).ends(),
    start(t, [process.execPath, program, ...args], short).ends(),
  ])
  const summary = (output: string) => /^\d+ passed.*(?= in )/m.exec(output)?.[0]
  t.is(actual.code, 0, actual.stdout + actual.stderr)
  t.regex(expected.stdout, /^\d{3} passed/m)
  t.is(summary(actual.stdout), summary(expected.stdout))
})

for (const args of [
  ['-m', 'pip', '--version'],
  ['-m', 'pip', 'list', '--format=json', '--disable-pip-version-check'],
  ['-m', 'pytest', '--version'],
  ['-m', 'site'],
  ['-m', 'unittest', '-h'],
]) {
  test(`${args.join(' ')} says what it says under python`, async (t) => {
    const { code } = await sameAsPython(t, { args })
    t.is(code, 0)
  })
}

test('-m timeit measures', async (t) => {
  const { code, stdout } = await start(t, [...amphisRun, '-m', 'timeit', '-n', '10', '-r', '2', 'sum(range(10))'], {
    stdin: '',
  }).ends()
  t.regex(stdout, /^10 loops, best of 2: .* per loop\n$/)
  t.is(code, 0)
})

test('-m venv makes an environment, which --python then names', async (t) => {
  const environment = join(await folder(t), 'environment')
  const made = await start(t, [...amphisRun, '-m', 'venv', '--without-pip', environment], { stdin: '' }).ends()
  t.is(made.code, 0, made.stderr)
  const code = 'import sys; print(sys.prefix, sys.executable)'
  const run = [process.execPath, program, 'run', `--python=${environment}`, '-c', code] as const
  const { stdout, stderr } = await start(t, run, { stdin: '' }).ends()
  t.is(stdout, `${environment} ${environment}/bin/python\n`, stderr)
})

test('a script runs in the environment that is nearest to it', async (t) => {
  const path = await folder(t)
  const environment = join(path, '.venv')
  await start(t, [interpreter, '-m', 'venv', '--without-pip', environment], { stdin: '' }).ends()
  await writeFile(join(path, 'script.py'), 'import sys; print(sys.prefix)')
  const run = [process.execPath, program, 'run', '-B', join(path, 'script.py')] as const
  const { stdout, stderr } = await start(t, run, { stdin: '', cwd: tmpdir() }).ends()
  t.is(stdout, `${environment}\n`, stderr)
})

test('-m http.server serves until Ctrl+C', async (t) => {
  const server = start(t, [...amphisRun, '-u', '-m', 'http.server', '0', '--bind', '127.0.0.1'])
  const url = await server.printsLine(/http:\/\/127\.0\.0\.1:\d+\//)
  const listing = await (await fetch(url)).text()
  t.true(listing.includes('facts.py'))
  server.child.kill('SIGINT')
  const { code, stdout } = await server.ends()
  t.true(stdout.includes('Keyboard interrupt received, exiting.'), stdout)
  t.is(code, 0)
})

test('requests over TLS run on Python’s own OpenSSL', async (t) => {
  const { certificate, key } = createCertificate()
  const authority = join(await folder(t), 'authority.pem')
  await writeFile(authority, certificate)
  const server = createServer({ cert: certificate, key }, (req, res) => {
    req.resume().on('end', () => res.end(JSON.stringify([req.method, req.headers['content-length'] ?? null])))
  })
  t.teardown(() => server.close())
  await new Promise<void>((listening) => server.listen(0, 'localhost', listening))
  const url = `https://localhost:${(server.address() as AddressInfo).port}/`
  const { code, stdout, stderr } = await sameAsPython(t, { args: ['tls_client.py', url, authority] })
  t.is(code, 0, stderr)
  t.true(stdout.endsWith('True\n'), stdout)
})
