// `amphis init`: asks for what it was not given, and writes a new project.
import { basename, resolve } from 'node:path'
import { styleText } from 'node:util'
import { AmphisError } from '../../base/errors.js'
import { discoverPython } from '../../python/discover.js'
import { nearest } from '../../base/nearest.js'
import { UsageError } from '../errors/usage-error.js'
import { warn } from '../log/report.js'
import { readArguments } from '../options/arguments.js'
import { shown } from '../text/shown.js'
import { type Choices, packageName, projectFiles, TEMPLATES, type TemplateName } from './project.js'
import { Questions } from './questions.js'
import { writeAll } from './write.js'

const USAGE = `\
Usage: amphis init [FOLDER] [options]

Writes the smallest project with Express and FastAPI in one process into FOLDER, and says how to start it. Nothing that is
there is overwritten. In a terminal it asks for what is not given here.

      --ts             the server in TypeScript [default]
      --js             the server in JavaScript
      --template NAME  another project: aws-lambda, FastAPI as a function of AWS Lambda
      --name NAME      name in package.json (default: that of the folder)
  -y, --yes            asks nothing
  -h, --help           this help`

/**
 * `amphis init`: the beginning of a project.
 *
 * @param args what follows `init`
 * @returns the exit code
 * @throws {UsageError} when they are not understood
 * @throws {ServeError} when files are in the way, or cannot be written
 */
export async function init(args: string[]): Promise<number> {
  const { operand, values } = readArguments('amphis init', args, {
    ts: {},
    js: {},
    name: { placeholder: 'NAME' },
    template: { placeholder: 'NAME' },
    yes: { short: 'y' },
    help: { short: 'h' },
  })
  if (values.help) {
    console.log(USAGE)
    return 0
  }
  if (values.ts && values.js) throw new UsageError('The server is in one language: give --ts or --js, not both.')
  const template = templateOf(values.template as string | undefined)
  if (template !== 'express' && (values.ts || values.js)) {
    throw new UsageError(`The project ${template} has no server: leave out --${values.ts ? 'ts' : 'js'}.`)
  }
  const given = { folder: operand, template, language: values.js ? 'js' : values.ts ? 'ts' : undefined } as const
  const isAsking = !values.yes && process.stdin.isTTY && process.stdout.isTTY
  const answers = isAsking ? await ask(given) : { folder: given.folder ?? '.', language: given.language ?? 'ts' }
  if (answers === undefined) {
    console.error('Nothing was written.')
    return 1
  }
  const folder = resolve(answers.folder)
  const name = packageName((values.name as string | undefined) ?? basename(folder))
  await writeAll(folder, await projectFiles({ name, language: answers.language, template }))
  console.log(template === 'aws-lambda' ? lambdaSteps(folder) : nextSteps(folder, `server.${answers.language}`))
  await warnOfPython(folder)
  return 0
}

function templateOf(name = 'express'): TemplateName {
  const found = TEMPLATES.find((template) => template === name)
  if (found !== undefined) return found
  const close = nearest(name, TEMPLATES)
  throw new UsageError(
    `There is no template ${name}. ${close === undefined ? `There are ${TEMPLATES.join(' and ')}.` : `Did you mean ${close}?`}`,
  )
}

interface Answers {
  folder: string
  language: Choices['language']
}

/** Asks for what was not given; undefined when the terminal was left. */
async function ask(given: Partial<Answers> & { template: TemplateName }): Promise<Answers | undefined> {
  const questions = new Questions()
  try {
    const folder = given.folder ?? (await questions.text('Folder', '.'))
    const language =
      given.template === 'express'
        ? (given.language ?? (await questions.choice('TypeScript or JavaScript', ['ts', 'js'])))
        : 'js'
    return folder === undefined || language === undefined ? undefined : { folder, language }
  } finally {
    questions.close()
  }
}

/** What to type next, in the words of the package manager that runs this. */
function nextSteps(folder: string, server: string): string {
  const manager = /^(npm|pnpm|yarn|bun)\//.exec(process.env.npm_config_user_agent ?? '')?.[1] ?? 'npm'
  const path = shown(folder)
  const steps = [...into(path), `${manager} install`, `${manager} run dev`]
  return [
    `${path === '.' ? 'This folder' : path} has a project now: Express in ${server}, FastAPI in app/main.py. To start it:`,
    '',
    ...steps.map((step) => `  ${styleText('bold', step)}`),
    '',
    'That makes .venv, serves http://127.0.0.1:3000, and starts again when a file changes.',
  ].join('\n')
}

/** The change to a folder, as a shell takes it. */
function into(path: string): string[] {
  return path === '.' ? [] : [`cd ${/[^\w./-]/.test(path) ? `'${path.replaceAll("'", String.raw`'\''`)}'` : path}`]
}

function lambdaSteps(folder: string): string {
  const path = shown(folder)
  const steps = [...into(path), 'docker build --platform linux/amd64 --provenance=false --tag my-function .']
  return [
    `${path === '.' ? 'This folder' : path} has a function for AWS Lambda now: function.mjs, FastAPI in app/main.py. Its image:`,
    '',
    ...steps.map((step) => `  ${styleText('bold', step)}`),
    '',
    'README.md says how to deploy it, and how to run the app without Lambda.',
  ].join('\n')
}

/** Better known now than after an `npm install`. */
async function warnOfPython(folder: string): Promise<void> {
  try {
    await discoverPython({ appDir: folder })
  } catch (error) {
    if (!(error instanceof AmphisError)) throw error
    warn(error.message)
  }
}
