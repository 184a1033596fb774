import test from 'ava'
import { listenProblem, toUrl } from '../lib/cli/address.js'
import { nearest } from '../lib/cli/nearest.js'
import { OPTIONS } from '../lib/cli/options.js'
import { parseCommandLine, UsageError } from '../lib/cli/parse.js'
import { usage } from '../lib/cli/usage.js'

test('has a default for every option', (t) => {
  t.deepEqual(parseCommandLine(['main:app']), {
    app: 'main:app',
    options: {
      host: '127.0.0.1',
      port: 8000,
      'app-dir': '.',
      factory: false,
      'root-path': '',
      lifespan: 'auto',
      loop: 'auto',
      python: undefined,
      version: false,
      help: false,
    },
  })
})

test('takes a value after a space or an equals sign, and the app anywhere', (t) => {
  const { app, options } = parseCommandLine(['--port', '80', 'main:app', '--host=::1', '--factory'])
  t.is(app, 'main:app')
  t.like(options, { port: 80, host: '::1', factory: true })
})

test('lets the last of repeated options win', (t) => {
  t.is(parseCommandLine(['--port', '1', '--port', '2']).options.port, 2)
})

test('knows the short forms', (t) => {
  t.true(parseCommandLine(['-h']).options.help)
  t.true(parseCommandLine(['-v']).options.version)
})

test('takes what follows two dashes as the app', (t) => {
  t.is(parseCommandLine(['--', '-odd:app']).app, '-odd:app')
})

const misuses: [args: string[], message: string][] = [
  [['--prot', '1'], 'There is no option --prot. Did you mean --port?'],
  [['--appdir', 'x'], 'There is no option --appdir. Did you mean --app-dir?'],
  [['--wholly-different'], 'There is no option --wholly-different.'],
  [['--constructor'], 'There is no option --constructor.'],
  [['-x'], 'There is no option -x.'],
  [['--port'], '--port needs a value: --port PORT.'],
  [['--host', '--port', '1'], '--host needs a value: --host HOST.'],
  [['--loop'], '--loop needs a value: --loop auto|uvloop|asyncio.'],
  [['--factory=yes'], '--factory takes no value.'],
  [['--port', 'http'], '--port takes a number from 0 to 65535, not "http".'],
  [['--port', '65536'], '--port takes a number from 0 to 65535, not "65536".'],
  [['--port=-1'], '--port takes a number from 0 to 65535, not "-1".'],
  [['--port='], '--port takes a number from 0 to 65535, not "".'],
  [['--lifespan', 'maybe'], '--lifespan takes auto, on or off, not "maybe".'],
  [['a:app', 'b:app'], 'One app can be served at a time, not a:app and b:app.'],
]

for (const [args, message] of misuses) {
  test(`says what is wrong with ${args.join(' ')}`, (t) => {
    t.throws(() => parseCommandLine(args), { instanceOf: UsageError, message })
  })
}

test('shows every option in the help, within 100 columns', (t) => {
  const help = usage()
  for (const [name, { description }] of Object.entries(OPTIONS)) {
    t.true(help.includes(`--${name}`))
    t.true(help.includes(description))
  }
  for (const line of help.split('\n')) t.true(line.length <= 100, line)
})

test('finds the word that was meant, if one is near', (t) => {
  const words = ['--host', '--port', '--root-path']
  t.is(nearest('--hsot', words), '--host')
  t.is(nearest('--rootpath', words), '--root-path')
  t.is(nearest('--verbose', words), undefined)
  t.is(nearest('--host', []), undefined)
})

test('writes addresses as browsers take them', (t) => {
  t.is(toUrl('127.0.0.1', 80), 'http://127.0.0.1:80')
  t.is(toUrl('localhost', 80), 'http://localhost:80')
  t.is(toUrl('::1', 80), 'http://[::1]:80')
  t.is(toUrl('fe80::1%eth0', 80), 'http://[fe80::1%25eth0]:80')
})

test('knows what to do about an address that cannot be listened on', (t) => {
  t.regex(listenProblem('EACCES', '127.0.0.1', 80) ?? '', /port 80\b.*--port/)
  t.regex(listenProblem('EADDRINUSE', '::', 80) ?? '', /Port 80 of :: is in use.*--port/)
  t.regex(listenProblem('EADDRNOTAVAIL', '192.0.2.1', 80) ?? '', /192\.0\.2\.1.*--host/)
  t.regex(listenProblem('ENOTFOUND', 'no.such.host', 80) ?? '', /no\.such\.host.*--host/)
  t.is(listenProblem('EMFILE', '127.0.0.1', 80), undefined)
})
