import { execFile } from 'node:child_process'
import test from 'ava'
import { nearest } from '../lib/base/nearest.js'
import { UsageError } from '../lib/cli/errors/usage-error.js'
import { descriptorProblem, listenProblem, socketProblem, toUrl } from '../lib/cli/listen/address.js'
import { parseCommandLine } from '../lib/cli/options/parse.js'
import { OPTIONS } from '../lib/cli/options/table.js'
import { usage } from '../lib/cli/options/usage.js'
import { program } from './helpers/command-line.js'
import { scratchFolder } from './helpers/scratch.js'

test('says nothing of what it is not told', (t) => {
  t.deepEqual(parseCommandLine([]), { app: undefined, options: {} })
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

test('turns a switch off and on', (t) => {
  t.is(parseCommandLine(['--no-server-header']).options['server-header'], false)
  t.is(parseCommandLine(['--no-date-header', '--date-header']).options['date-header'], true)
  t.is(parseCommandLine(['--proxy-headers', '--no-proxy-headers']).options['proxy-headers'], false)
})

test('gathers what is repeated into a list, where it may be', (t) => {
  const { options } = parseCommandLine(['--reload-dir', 'a', '--header', 'x:1', '--reload-dir=b'])
  t.deepEqual(options['reload-dir'], ['a', 'b'])
  t.deepEqual(options.header, ['x:1'])
})

test('takes numbers as they are', (t) => {
  const args = ['--limit-concurrency', '7', '--max-body-size=0', '--timeout-request', '1.5', '--ws-ping-interval=0']
  t.like(parseCommandLine(args).options, {
    'limit-concurrency': 7,
    'max-body-size': 0,
    'timeout-request': 1.5,
    'ws-ping-interval': 0,
  })
})

test('takes what follows two dashes as the app', (t) => {
  t.is(parseCommandLine(['--port', '1', '--', 'odd:app']).app, 'odd:app')
})

const misuses: [args: string[], message: string][] = [
  [['--prot', '1'], 'There is no option --prot. Did you mean --port?'],
  [['--appdir', 'x'], 'There is no option --appdir. Did you mean --app-dir?'],
  [['--wholly-different'], 'There is no option --wholly-different. `amphis --help` shows all there are.'],
  [['--constructor'], 'There is no option --constructor. `amphis --help` shows all there are.'],
  [['-x'], 'There is no option -x. `amphis --help` shows all there are.'],
  [['--port'], '--port needs a value: --port PORT.'],
  [['--host', '--port', '1'], '--host needs a value: --host HOST.'],
  [['--loop'], '--loop needs a value: --loop auto|uvloop|asyncio.'],
  [['--factory=yes'], '--factory takes no value.'],
  [['--port', 'http'], '--port takes a number from 0 to 65535, not "http".'],
  [['--port', '65536'], '--port takes a number from 0 to 65535, not "65536".'],
  [['--port=-1'], '--port takes a number from 0 to 65535, not "-1".'],
  [['--port='], '--port takes a number from 0 to 65535, not "".'],
  [['--http', 'h11'], 'There is no option --http. Node.js parses HTTP/1.1; leave it out.'],
  [['--ws', 'auto'], 'There is no option --ws. There is one implementation of WebSockets; leave it out.'],
  [['--no-relaod'], 'There is no option --no-relaod. Did you mean --no-reload?'],
  [['--no-server-heade'], 'There is no option --no-server-heade. Did you mean --no-server-header?'],
  [['--server-header=on'], '--server-header takes no value.'],
  [['--limit-concurrency', '0'], '--limit-concurrency takes a whole number from 1 to 2147483647, not "0".'],
  [['--limit-concurrency', 'x'], '--limit-concurrency takes a whole number from 1 to 2147483647, not "x".'],
  [['--limit-concurrency'], '--limit-concurrency needs a value: --limit-concurrency N.'],
  [['--max-body-size', '1k'], '--max-body-size takes a whole number of bytes, not "1k".'],
  [['--max-body-size'], '--max-body-size needs a value: --max-body-size BYTES.'],
  [['--timeout-request', '1e3'], '--timeout-request takes a number of seconds from 0 to 2147483, not "1e3".'],
  [['--timeout-request', '2147484'], '--timeout-request takes a number of seconds from 0 to 2147483, not "2147484".'],
  [['--timeout-request'], '--timeout-request needs a value: --timeout-request SECONDS.'],
  [['--ssl-cert-reqs', '3'], '--ssl-cert-reqs takes 0, 1 or 2, not "3".'],
  [['--lifespan', 'maybe'], '--lifespan takes auto, on or off, not "maybe".'],
  [
    ['--port', '1', 'main'],
    'APP takes module:attribute, such as main:app, not "main". Did you mean `amphis main:app`?',
  ],
  [['--', '-odd:app'], 'APP takes module:attribute, such as main:app, not "-odd:app".'],
  [['a:app', 'b:app'], 'One app can be served at a time, not a:app and b:app.'],
]

for (const [args, message] of misuses) {
  test(`says what is wrong with ${args.join(' ')}`, (t) => {
    t.throws(() => parseCommandLine(args), { instanceOf: UsageError, message })
  })
}

// The right command for what somebody typed who knows another tool, or guessed.
const guesses: [typed: string, meant: string][] = [
  ['help', '--help'],
  ['hlep', '--help'],
  ['help init', 'init --help'],
  ['version', '--version'],
  ['start', 'main:app'],
  ['serve main:app', 'main:app'],
  ['serve web', 'web:app'],
  ['dev main.py', 'main:app --reload'],
  ['dev', 'main:app --reload'],
  ['main', 'main:app'],
  ['main.py', 'main:app'],
  ['./main.py', 'main:app'],
  ['main.py:api', 'main:api'],
  ['app/main.py', 'app.main:app'],
  ['app/main', 'app.main:app'],
  ['app/main:app', 'app.main:app'],
  ['/srv/shop/main.py', 'main:app --app-dir /srv/shop'],
  ['../shop/main.py', 'main:app --app-dir ../shop'],
  ['inti', 'init'],
  ['new shop --ts', 'init shop --ts'],
  ['vnev', 'venv'],
  ['rnu -m pytest', 'run -m pytest'],
]

for (const [typed, meant] of guesses) {
  test(`suggests amphis ${meant} for amphis ${typed}`, (t) => {
    const error = t.throws(() => parseCommandLine(typed.split(' ')), { instanceOf: UsageError })
    t.deepEqual(
      [...error.message.matchAll(/Did you mean `amphis ([^`]+)`\?/g)].map(([, command]) => command),
      [meant],
    )
  })
}

test('takes the name of the app, and the folder that holds it, from the files that are there', async (t) => {
  const folder = await scratchFolder(t, {
    'shop/main.py': 'from fastapi import FastAPI\n\napi = FastAPI(title="shop")\n',
    'web/__init__.py': 'from quart import Quart\n\nserver: Quart = Quart(__name__)\n',
    'plain.py': 'async def application(scope, receive, send):\n    pass\n',
  })
  for (const [typed, meant] of [
    ['shop', 'shop.main:api'],
    ['shop/main.py', 'shop.main:api'],
    ['dev shop', 'shop.main:api --reload'],
    ['web', 'web:server'],
    ['plain', 'plain:application'],
  ] as const) {
    const stderr = await new Promise<string>((resolve) => {
      execFile(process.execPath, [program, ...typed.split(' ')], { cwd: folder }, (_error, _stdout, said) =>
        resolve(said),
      )
    })
    t.true(stderr.includes(`Did you mean \`amphis ${meant}\`?`), stderr)
  }
})

test('shows every option in the help, a line each, on a page', (t) => {
  const lines = usage().split('\n')
  t.true(lines.length <= 70, `${lines.length} lines`)
  for (const line of lines) t.true(line.length <= 100, line)
  for (const [name, { description }] of Object.entries(OPTIONS)) {
    // Examples begin with two blanks and the command.
    const shown = lines.filter((line) => new RegExp(`^(?!  amphis).* --(?:\\[no-\\])?${name}(?: |$)`).test(line))
    t.is(shown.length, 1, name)
    t.true(shown[0]?.includes(description), name)
  }
  for (const command of ['amphis run ', '-m MODULE', '-c CODE', 'amphis init ']) {
    t.true(
      lines.slice(0, 4).some((line) => line.includes(command)),
      command,
    )
  }
  t.true(lines.includes('Examples:'))
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
  t.is(toUrl('localhost', 443, 'https'), 'https://localhost:443')
})

test('knows what to do about an address that cannot be listened on', (t) => {
  t.regex(listenProblem('EACCES', '127.0.0.1', 80) ?? '', /port 80\b.*--port/)
  t.regex(listenProblem('EADDRINUSE', '::', 80) ?? '', /Port 80 of :: is in use; `lsof -i :80` .*--port/)
  t.regex(
    listenProblem('EADDRINUSE', '::', 80, { name: 'nginx', pid: 7 }) ?? '',
    /Port 80 of :: is in use by nginx \(process 7\)\. .*--port/,
  )
  t.regex(listenProblem('EADDRNOTAVAIL', '192.0.2.1', 80) ?? '', /192\.0\.2\.1.*--host/)
  t.regex(listenProblem('ENOTFOUND', 'no.such.host', 80) ?? '', /no\.such\.host.*--host/)
  t.is(listenProblem('EMFILE', '127.0.0.1', 80), undefined)
})

test('names the error of the system, by which people search', (t) => {
  const inUse = /\(EADDRINUSE: address already in use\)$/
  t.regex(listenProblem('EADDRINUSE', '::', 80) ?? '', inUse)
  t.regex(listenProblem('EADDRINUSE', '::', 80, { name: 'nginx', pid: 7 }) ?? '', inUse)
  t.regex(socketProblem('EADDRINUSE', '/run/app.sock') ?? '', inUse)
  t.regex(listenProblem('EACCES', '127.0.0.1', 80) ?? '', /\(EACCES: permission denied\)$/)
  t.regex(socketProblem('EACCES', '/run/app.sock') ?? '', /\(EACCES: permission denied\)$/)
  for (const code of ['EADDRNOTAVAIL', 'ENOTFOUND', 'EAI_AGAIN']) {
    t.regex(listenProblem(code, 'host', 80) ?? '', new RegExp(`\\(${code}(?:: [a-z -]+)?\\)$`))
  }
  for (const code of ['EBADF', 'ENOTSOCK', 'EINVAL', 'EOPNOTSUPP']) {
    t.regex(descriptorProblem(code, 3) ?? '', new RegExp(`\\(${code}(?:: [a-z -]+)?\\)$`))
  }
})

test('knows what to do about a socket that cannot be made', (t) => {
  for (const code of ['EADDRINUSE', 'EEXIST', 'EACCES', 'ENOENT', 'ENOTDIR', 'ENAMETOOLONG']) {
    t.regex(socketProblem(code, '/run/app.sock') ?? '', /\/run\/app\.sock.*--uds/, code)
  }
  t.is(socketProblem('EMFILE', '/run/app.sock'), undefined)
})
