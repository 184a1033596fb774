import { execFile } from 'node:child_process'
import { copyFile, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import test from 'ava'
import { program } from './helpers/command-line.js'
import { fixtures, python } from './helpers/python.js'

const folder = join(fixtures, 'types')
const modules = (await readdir(folder)).filter((name) => name.endsWith('.py'))

// AMPHIS_GOLDEN=1 writes down what is the case: then read what has changed.
const isRenewed = process.env.AMPHIS_GOLDEN === '1'

const out = await mkdtemp(join(tmpdir(), 'amphis-'))
test.after.always(() => rm(out, { recursive: true }))

test.before('writes all of them', async (t) => {
  const files = modules.map((name) => join(folder, name))
  const args = [program, 'types', ...files, '--out', out, '--python', python]
  const { stdout } = await promisify(execFile)(process.execPath, args, { env: { ...process.env, NODE_OPTIONS: '' } })
  t.is(stdout.match(/ is written$/gm)?.length, modules.length)
})

for (const name of modules) {
  test(`declares what ${name} offers`, async (t) => {
    const declared = name.replace(/\.py$/, '.d.py.ts')
    if (isRenewed) await copyFile(join(out, declared), join(folder, declared))
    t.is(await readFile(join(out, declared), 'utf8'), await readFile(join(folder, declared), 'utf8'))
  })
}
