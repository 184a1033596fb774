import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import test from 'ava'
import { program } from './helpers/command-line.js'
import { blocksOf } from './helpers/markdown.js'
import { python } from './helpers/python.js'

// What docs/calls.md shows: its programs are written to a folder, as the first line of each names them, and run.

const run = promisify(execFile)
const root = fileURLToPath(new URL('..', import.meta.url))
const blocks = blocksOf(readFileSync(join(root, 'docs/calls.md'), 'utf8'))

/** How the page's commands are run here. */
const commands: Record<string, string[]> = {
  node: [process.execPath],
  npx: [process.execPath, program],
  // What runs TypeScript.
  tsx: [process.execPath, `--import=${import.meta.resolve('@oxc-node/core/register')}`],
}

let folder = ''

test.serial.before(async (t) => {
  folder = await mkdtemp(join(tmpdir(), 'amphis-guide-'))
  await mkdir(join(folder, 'node_modules'))
  await symlink(root, join(folder, 'node_modules/amphis'))
  await symlink(join(root, 'node_modules/marked'), join(folder, 'node_modules/marked'))
  for (const { language, text } of blocks) {
    const [, name] = /^(?:#|\/\/) (\S+)\n/.exec(text) ?? []
    if (name !== undefined) {
      await writeFile(join(folder, name), text)
    } else if (language !== 'console') {
      t.fail(`a program without a name: ${text}`)
    }
  }
})

test.after.always(() => rm(folder, { recursive: true, force: true }))

const sessions = blocks.filter(({ language }) => language === 'console').map(({ text }) => text)

test.serial('the page has programs that run', (t) => {
  t.true(sessions.length > 10)
})

for (const session of sessions) {
  const [, line = '', output = ''] = /^\$ (.*)\n([\s\S]*)$/.exec(session) ?? []
  test.serial(`prints what the page shows: ${line}`, async (t) => {
    const [name = '', ...rest] = line.split(' ')
    const [file = '', ...first] = commands[name]!
    const args = name === 'npx' ? rest.slice(1) : rest
    const { stdout } = await run(file, [...first, ...args], {
      cwd: folder,
      env: { ...process.env, AMPHIS_PYTHON: python, NODE_OPTIONS: undefined, PYTHONDONTWRITEBYTECODE: '1' },
    })
    const seconds = /in \d+\.\d\ds/
    t.is(stdout.replace(seconds, 'in 0.06s').trimEnd(), output.trimEnd())
  })
}

test.serial('what the page shows of types is right for tsc --strict', async (t) => {
  const options = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2022', '--typeRoots']
  const args = [...options, join(root, 'node_modules/@types'), '--types', 'node', 'typed.mts']
  const { stdout } = await run(join(root, 'node_modules/.bin/tsc'), args, { cwd: folder })
  t.is(stdout, '')
})
