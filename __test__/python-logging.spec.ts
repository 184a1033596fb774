import { join } from 'node:path'
import test from 'ava'
import { AmphisError } from '../index.js'
import { request } from './helpers/client.js'
import { amphisEnds, serveByCommand, suite } from './helpers/command-line.js'
import { createHandler, fixtures } from './helpers/python.js'
import { scratchFolder } from './helpers/scratch.js'

// One Python has one `logging`, so these take turns, and the later ones see what the earlier ones did.

const shouting = {
  version: 1,
  // The formatter's module is imported, and makes its logger, while this is read.
  disable_existing_loggers: false,
  formatters: { shouting: { '()': 'logs.Shouting' } },
  handlers: { null: { class: 'logging.NullHandler', formatter: 'shouting' } },
  root: { level: 'ERROR', handlers: ['null'] },
}

test.serial('logLevel is the level of the root logger', async (t) => {
  const handler = createHandler(t, { app: 'logs:app', logLevel: 'trace' })
  const response = await handler.handle({ url: '/' })
  t.like(await response.json(), { at_import: 'TRACE', root: 'TRACE', handlers: [] })
})

test.serial('logConfig is applied before the app is imported, and may name classes of its folder', async (t) => {
  const folder = await scratchFolder(t, {
    'shop_formatters.py': 'from logs import Shouting',
    'shop_main.py': 'import importlib, logs\nimportlib.reload(logs)\napp = logs.app',
    'log.json': JSON.stringify({ ...shouting, formatters: { shouting: { '()': 'shop_formatters.Shouting' } } }),
  })
  const logConfig = join(folder, 'log.json')
  const handler = createHandler(t, { app: 'shop_main:app', appDir: folder, logConfig, logLevel: 'debug' })
  t.like(await (await handler.handle({ url: '/' })).json(), {
    at_import: 'ERROR',
    root: 'ERROR',
    handlers: ['NullHandler'],
    formatters: ['Shouting'],
  })
})

test.serial('logConfig takes YAML and INI', async (t) => {
  const yaml = 'version: 1\nroot: { level: DEBUG }\nloggers:\n  shop.orders: { level: CRITICAL }\n'
  const ini = `
[loggers]
keys=root
[handlers]
keys=stream
[formatters]
keys=
[logger_root]
level=INFO
handlers=stream
[handler_stream]
class=StreamHandler
args=(sys.stderr,)
`
  const folder = await scratchFolder(t, { 'log.yaml': yaml, 'log.ini': ini })
  const facts = async (name: string): Promise<unknown> => {
    const handler = createHandler(t, { app: 'logs:app', logConfig: join(folder, name) })
    return (await handler.handle({ url: '/' })).json()
  }
  t.like(await facts('log.yaml'), { root: 'DEBUG', orders: 'CRITICAL' })
  t.like(await facts('log.ini'), { root: 'INFO', handlers: ['StreamHandler'] })
})

const unusable: [file: string, text: string | undefined, problem: RegExp][] = [
  ['log.json', undefined, /there is no such file\. Name one that exists\.$/],
  ['log.json', '{"version": 1,}', /: line 1 column \d+ .*\. Correct it\.$/],
  ['log.json', '[]', /it is not an object\. Write it as logging\.config\.dictConfig takes it\.$/],
  ['log.json', '{}', /dictionary doesn't specify a version\. Correct it\.$/],
  [
    'log.json',
    '{"version":1,"handlers":{"a":{"class":"no.Handler"}}}',
    /Unable to configure handler 'a' \(.*'?no'?.*\)\. Correct it\.$/,
  ],
  ['log.json', '{"version":1,"root":{"level":"LOUD"}}', /Unknown level: 'LOUD'.*\. Correct it\.$/],
  [
    'log.json',
    '{"version":1,"formatters":{"a":{"()":"logs.Whispering"}}}',
    /Unable to configure formatter 'a' \(.*Whispering.*\)\. Correct it\.$/,
  ],
  ['log.yaml', 'version: [1', /line 1, column .*\. Correct it\.$/],
  ['log.ini', 'nothing', /MissingSectionHeaderError|no section headers.*\. Correct it\.$/],
  ['log.conf', '[loggers]\nkeys=root\n', /(?:formatters|logger_root).*\. Correct it\.$/],
]

test.serial('says in one line why a logging configuration cannot be used', async (t) => {
  for (const [name, text, problem] of unusable) {
    const folder = await scratchFolder(t, text === undefined ? {} : { [name]: text })
    const path = join(folder, name)
    const handler = createHandler(t, { app: 'logs:app', logConfig: path })
    const error = await t.throwsAsync(handler.ready(), { instanceOf: AmphisError, code: 'AMPHIS_ERR_INVALID_OPTIONS' })
    t.true(error.message.startsWith(`The logging configuration ${path} cannot be used: `), error.message)
    t.regex(error.message, problem)
    t.notRegex(error.message, /\n/)
  }
})

test('checks its options', (t) => {
  t.throws(() => createHandler(t, { app: 'logs:app', logLevel: 'loud' as 'info' }), {
    message: /^Option logLevel must be one of 'critical', .*, but it is 'loud'\.$/,
  })
  t.throws(() => createHandler(t, { app: 'logs:app', logConfig: 1 as unknown as string }), {
    message: /^Option logConfig must be a string/,
  })
})

// The command line, and what comes out on stderr

test('without an option the logs of an app are those of plain Python', async (t) => {
  const { process, url } = await serveByCommand(t, 'logs:app')
  await request(url)
  process.child.kill('SIGINT')
  t.is((await process.ends()).stderr, 'at warning\n')
})

test('--log-level shows the logs of an app that does not set them up', async (t) => {
  const { process, url } = await serveByCommand(t, 'logs:app', '--log-level', 'info')
  await request(url)
  process.child.kill('SIGINT')
  t.is((await process.ends()).stderr, 'INFO:shop.orders:at info\nWARNING:shop.orders:at warning\n')
})

test('--log-level leaves an app alone that sets logs up by itself', async (t) => {
  const { process, url } = await serveByCommand(t, 'logs_configured:app', '--log-level', 'debug')
  await request(url)
  process.child.kill('SIGINT')
  t.is((await process.ends()).stderr, 'at info, says shop.orders\nat warning, says shop.orders\n')
})

test('--log-config sets up the logs, and a mistake in it is one line and exit code 2', async (t) => {
  const config = { ...shouting, handlers: { null: { class: 'logging.StreamHandler', formatter: 'shouting' } } }
  const folder = await scratchFolder(t, {
    'log.json': JSON.stringify({ ...config, root: { ...config.root, level: 'INFO' } }),
  })
  const { process, url } = await serveByCommand(t, 'logs:app', '--log-config', join(folder, 'log.json'))
  await request(url)
  process.child.kill('SIGINT')
  t.is((await process.ends()).stderr, 'AT INFO\nAT WARNING\n')

  const { code, stdout, stderr } = await amphisEnds(t, 'logs:app', '--log-config', 'no.json', ...suite)
  t.deepEqual([code, stdout], [2, ''])
  const path = join(fixtures, 'no.json')
  t.is(
    stderr,
    `error: The logging configuration ${path} cannot be used: there is no such file. Name one that exists.\n`,
  )
})
