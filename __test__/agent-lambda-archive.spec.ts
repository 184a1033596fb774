import { existsSync } from 'node:fs'
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import { Python, PythonError } from '../index.js'
import { fixtures, loop, python as interpreter } from './helpers/python.js'
import { scratchFolder } from './helpers/scratch.js'

// Sessions of examples/agent-lambda as zips: what comes back from a bucket is taken only if this service may have written it.

interface Archive {
  pack(folder: string): Promise<[Uint8Array, { created: string; files: string }]>
  unpack(packed: Uint8Array, folder: string): Promise<number>
}

const appDir = fileURLToPath(new URL('../examples/agent-lambda/lambda/function', import.meta.url))
const python = new Python({ appDir, python: interpreter, loop })
const makers = new Python({ appDir: fixtures, python: interpreter, loop })
test.after.always(async () => {
  await python.close()
  await makers.close()
})

async function open() {
  const archive = await python.import<Archive>('app.archive')
  const path = await python.import<{ Path: { ref(path: string): Promise<string> } }>('pathlib')
  const zips = await makers.import<{
    good(): Promise<Uint8Array>
    bad(): Promise<Record<string, Uint8Array>>
  }>('session_zips')
  return { archive, zips, at: (folder: string) => path.Path.ref(folder) }
}

async function folders(t: ExecutionContext) {
  const around = await scratchFolder(t)
  const config = join(around, 'a/b/c/config')
  await mkdir(config, { recursive: true })
  return { around, config }
}

async function write(folder: string, name: string, text: string) {
  await mkdir(dirname(join(folder, name)), { recursive: true })
  await writeFile(join(folder, name), text)
}

test('the files of a conversation come back as they were, and nothing else of the folder is packed', async (t) => {
  const { archive, at } = await open()
  const { around, config } = await folders(t)
  const kept = {
    'projects/-tmp-work/0.jsonl': '{"a":1}\n'.repeat(1000),
    'projects/-tmp-work/0/subagents/agent-1.jsonl': 'ü\n',
    'projects/-tmp-work/0/tool-results/1.txt': 'result',
  }
  for (const [name, text] of Object.entries(kept)) await write(config, name, text)
  for (const name of ['settings.json', '.credentials.json', 'projects/-tmp-work/evil.sh'])
    await write(config, name, 'x')
  await symlink('/etc/passwd', join(config, 'projects/-tmp-work/link.jsonl'))
  const [packed, said] = await archive.pack(await at(config))
  t.is(said.files, '3')
  t.true(Math.abs(Date.parse(said.created) - Date.now()) < 60_000)
  // DEFLATE.
  t.true(packed.length < 1500, `${packed.length} bytes`)

  const back = join(around, 'back')
  t.is(await archive.unpack(packed, await at(back)), 3)
  for (const [name, text] of Object.entries(kept)) t.is(await readFile(join(back, name), 'utf8'), text)
})

test('zips that this service cannot have written are refused, and nothing is written beside the folder', async (t) => {
  const { archive, zips, at } = await open()
  const { around, config } = await folders(t)
  t.is(await archive.unpack(await zips.good(), await at(config)), 2)
  const bad = await zips.bad()
  t.is(Object.keys(bad).length, 18)
  for (const [name, zip] of Object.entries(bad)) {
    const folder = await at(join(around, 'a/b/c', name))
    const error = await t.throwsAsync(archive.unpack(zip, folder), { instanceOf: PythonError }, name)
    t.is(error?.type, 'app.archive.ArchiveError', name)
  }
  for (const place of ['evil.jsonl', 'a/evil.jsonl', 'a/b/evil.jsonl', 'a/b/c/evil.jsonl']) {
    t.false(existsSync(join(around, place)), place)
  }
  t.false(existsSync('/tmp/evil.jsonl'))
})

test('a session that grows beyond what could be unpacked is not packed', async (t) => {
  const { archive, at } = await open()
  const { config } = await folders(t)
  for (let number = 0; number < 501; number++) await write(config, `projects/-tmp-work/${number}.jsonl`, '')
  const error = await t.throwsAsync(archive.pack(await at(config)), { instanceOf: PythonError })
  t.is(error?.type, 'app.archive.TooLarge')
})
