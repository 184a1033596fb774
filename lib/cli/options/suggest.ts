// What was probably meant by words that are no app: a file, a module, a command of another tool.
import { existsSync, readFileSync } from 'node:fs'
import { basename, dirname, isAbsolute, join, normalize, sep } from 'node:path'
import { isAppTarget } from '../../base/app-target.js'
import { nearest } from '../../base/nearest.js'

const COMMANDS = ['init', 'venv', 'run', 'types', 'openapi', 'help', 'version']

/** What other tools call what amphis has, and what to write behind `amphis`; `APP` stands for the app. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  help: '--help',
  version: '--version',
  start: 'APP',
  serve: 'APP',
  server: 'APP',
  up: 'APP',
  dev: 'APP --reload',
  develop: 'APP --reload',
  watch: 'APP --reload',
  reload: 'APP --reload',
  new: 'init',
  create: 'init',
  install: 'venv',
  sync: 'venv',
  schema: 'openapi',
  exec: 'run',
  python: 'run',
}

const LIKELY_FILES = ['main.py', 'app.py', 'app/main.py', 'src/main.py', 'api/main.py', 'asgi.py', 'server.py']

const MADE =
  /^(\w+)(?:\s*:[^=\n]+)?\s*=\s*(?:\w+\.)*(?:FastAPI|Starlette|Litestar|Quart|Flask|Sanic|Falcon|App|get_asgi_application|get_wsgi_application)\(/m
const NAMED = /^(?:(?:async\s+)?def\s+|class\s+)?(app|application|api|asgi)\b\s*[(=:]/m

/** The name that the app has in a file of Python. */
function attributeIn(file: string): string {
  try {
    const source = readFileSync(file, 'utf8')
    return MADE.exec(source)?.[1] ?? NAMED.exec(source)?.[1] ?? 'app'
  } catch {
    return 'app'
  }
}

/** What the app in a file is called, and the folder it is called that from where it is not this one. */
function targetOf(file: string): string {
  const path = normalize(file)
  const attribute = attributeIn(path)
  const names = path.replace(/\.py$/, '').split(sep)
  if (names.at(-1) === '__init__' && names.length > 1) names.pop()
  const target = `${names.join('.')}:${attribute}`
  if (isAppTarget(target)) return target
  const folder = dirname(path)
  const alone = `${basename(path, '.py')}:${attribute}`
  if (!isAppTarget(alone)) return 'main:app'
  return isAbsolute(path) || folder !== '.' ? `${alone} --app-dir ${quoted(folder)}` : alone
}

function quoted(path: string): string {
  return /^[\w./~-]+$/.test(path) ? path : `'${path.replaceAll("'", String.raw`'\''`)}'`
}

/** The app of this folder, as far as can be seen. */
function likelyTarget(): string {
  const file = LIKELY_FILES.find((path) => existsSync(path))
  return file === undefined ? 'main:app' : targetOf(file)
}

/** The app that a word stands for: itself, that of a file or of a module; `undefined` where it is none of these. */
function appOf(word: string): string | undefined {
  if (isAppTarget(word) && !/\.py:/.test(word)) return word
  // uvicorn's form with a file in it, or with a path.
  const [path = '', attribute] = word.split(':')
  if (attribute !== undefined) {
    const target = targetOf(path).replace(/:\w+/, `:${attribute}`)
    return isAppTarget(target.split(' ', 1)[0] ?? '') && /\.py$|\//.test(path) ? target : undefined
  }
  if (word.endsWith('.py')) return targetOf(word)
  const module = word.includes('/') || existsSync(word) ? word : word.replaceAll('.', sep)
  for (const file of [`${module}.py`, join(module, 'main.py'), join(module, 'app.py'), join(module, '__init__.py')]) {
    if (existsSync(file)) return targetOf(file)
  }
  return word.includes('/') ? targetOf(word) : undefined
}

/**
 * The command that was probably meant by words that are no app.
 *
 * @param words what is no option
 * @param args all of the command line
 */
function meant(words: readonly string[], args: readonly string[]): string | undefined {
  const [first = '', second] = words
  const own = appOf(first)
  if (own !== undefined) return own
  const behind = (args[0] === first ? args : words).slice(1).map(quoted)
  const command = Object.hasOwn(ELSEWHERE, first) ? first : (nearest(first, COMMANDS, 2) ?? '')
  if (command === 'help' && second !== undefined && COMMANDS.includes(second)) return `${second} --help`
  if (COMMANDS.includes(command) && !Object.hasOwn(ELSEWHERE, command)) return [command, ...behind].join(' ')
  const form = ELSEWHERE[command]
  if (form !== undefined) {
    const app = form.includes('APP') ? ((second && appOf(second)) ?? (second ? `${second}:app` : likelyTarget())) : ''
    const rest = form.startsWith('APP') || form.startsWith('-') ? [] : behind
    return [form.replace('APP', app), ...rest].join(' ')
  }
  // A module that is elsewhere, or is still to be written.
  return isAppTarget(`${first}:app`) ? `${first}:app` : undefined
}

/** One sentence on what to write in place of words that are no app, a blank before it; empty where nothing is near. */
export function suggestion(words: readonly string[], args: readonly string[]): string {
  const command = meant(words, args)
  const [first = ''] = words
  const script = first.endsWith('.py') ? ` To run it as a script: amphis run ${quoted(first)}` : ''
  return command === undefined ? script : ` Did you mean \`amphis ${command}\`?${script}`
}
