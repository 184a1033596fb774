import { EventEmitter, on } from 'node:events'
import fs from 'node:fs'
import { chmod, mkdir, rename, rm, utimes, writeFile } from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import { join, relative } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { scratchFolder } from './helpers/scratch.js'

// What is asked of the system is written down, and the system can be made to refuse.
const watched: string[] = []
let refusal: string | undefined
const { watch, promises } = fs
const { readdir } = promises
Object.assign(fs, {
  watch: (path: string, ...rest: unknown[]) => {
    watched.push(path)
    if (refusal !== undefined) throw Object.assign(new Error(`${refusal}: no more`), { code: refusal })
    return (watch as (...all: unknown[]) => fs.FSWatcher)(path, ...rest)
  },
})
const read: string[] = []
Object.assign(promises, {
  readdir: (path: string, ...rest: unknown[]) => {
    read.push(String(path))
    return (readdir as (...all: unknown[]) => Promise<unknown>)(path, ...rest)
  },
})
syncBuiltinESMExports()
const { Watcher } = await import('../lib/cli/reload/watch/watcher.js')
const { FileFilter } = await import('../lib/cli/reload/watch/file-filter.js')

interface Settings {
  include?: string[]
  exclude?: string[]
  files?: string[]
  delay?: number
  since?: number
}

/** A watcher of a folder, and what it has told. */
class Watched {
  readonly warnings: string[] = []
  readonly #root: string
  readonly #told: string[] = []
  readonly #ever = new Set<string>()
  #wake: () => void = () => {}

  constructor(
    t: ExecutionContext,
    root: string,
    { include = [], exclude = [], files = [], delay = 20, since }: Settings = {},
  ) {
    this.#root = root
    const watcher = new Watcher({
      filter: new FileFilter({
        'app-dir': root,
        'reload-dir': [],
        'reload-include': include,
        'reload-exclude': exclude,
      }),
      files: files.map((file) => join(root, file)),
      delay,
      // What was written before is no change, be it in this very millisecond.
      since: since ?? Date.now() + 1,
      onChange: (paths) => {
        for (const path of paths) this.#ever.add(relative(root, path))
        this.#told.push(...paths)
        this.#wake()
      },
      onWarning: (message) => this.warnings.push(message),
    })
    t.teardown(() => watcher.close())
  }

  /** Waits until it has told of files since it was asked last; it may have told of others as well. */
  async until(...names: string[]): Promise<void> {
    const isTold = (name: string): boolean => this.#told.includes(join(this.#root, name))
    while (!names.every(isTold)) await new Promise<void>((resolve) => (this.#wake = resolve))
    this.#told.length = 0
  }

  /** All of which it has ever told, sorted: one change that is made in steps may be told of more than once. */
  get ever(): string[] {
    return [...this.#ever].toSorted()
  }

  /** Changes a file again and again until that is told: whatever was changed before has been told of then as well. */
  async sees(name: string): Promise<void> {
    const change = async (): Promise<void> => writeFile(join(this.#root, name), String(Math.random()))
    await change()
    let writing = Promise.resolve()
    const timer = setInterval(() => (writing = change()), 500)
    try {
      await this.until(name)
    } finally {
      clearInterval(timer)
      await writing
    }
  }
}

const FILES = { 'main.py': '', 'a.py': '', 'b.py': '', 'page.html': '', 'pkg/mod.py': '', 'last.py': '' }

test.serial('tells of files that are changed, replaced, touched, added and removed', async (t) => {
  const names = ['changed', 'replaced', 'anew', 'touched', 'removed', 'untouched', 'last']
  const root = await scratchFolder(t, Object.fromEntries(names.map((name) => [`${name}.py`, ''])))
  const at = (name: string) => join(root, name)
  const watcher = new Watched(t, root)
  await watcher.sees('last.py')

  await writeFile(at('changed.py'), 'x = 1')
  await watcher.until('changed.py')
  await writeFile(at('.replaced.py.tmp'), 'x = 1')
  await rename(at('.replaced.py.tmp'), at('replaced.py'))
  await watcher.until('replaced.py')
  await rename(at('anew.py'), at('anew.py~'))
  await writeFile(at('anew.py'), 'x = 1')
  await watcher.until('anew.py')
  await utimes(at('touched.py'), new Date(), new Date())
  await watcher.until('touched.py')
  await rm(at('removed.py'))
  await watcher.until('removed.py')
  await writeFile(at('added.py'), '')
  await watcher.until('added.py')
  await mkdir(at('new/deep/er'), { recursive: true })
  await writeFile(at('new/deep/er/mod.py'), '')
  await watcher.until('new/deep/er/mod.py')
  await watcher.sees('new/deep/er/other.py')
  await rm(at('new'), { recursive: true })
  await watcher.until('new/deep/er/mod.py', 'new/deep/er/other.py')
  const steps = ['added', 'anew', 'changed', 'last', 'new/deep/er/mod', 'new/deep/er/other', 'removed', 'replaced']
  t.deepEqual(
    watcher.ever,
    [...steps, 'touched'].map((name) => `${name}.py`),
  )
  t.deepEqual(watcher.warnings, [])
})

test.serial('does not tell of the mode of a file, nor of files that it is not to watch', async (t) => {
  const root = await scratchFolder(t, { ...FILES, 'node_modules/x/a.py': '', '.git/a.py': '', 'generated/a.py': '' })
  const at = (name: string) => join(root, name)
  const watcher = new Watched(t, root, { include: ['*.html'], exclude: ['generated'] })
  await watcher.sees('last.py')
  await chmod(at('main.py'), 0o600)
  for (const name of ['node_modules/x/a.py', '.git/a.py', 'generated/a.py', 'style.css', '.hidden.py']) {
    await writeFile(at(name), 'x = 1')
  }
  await mkdir(at('venv'))
  await writeFile(at('venv/a.py'), '')
  await writeFile(at('page.html'), '<p>')
  await watcher.until('page.html')
  await watcher.sees('last.py')
  t.deepEqual(watcher.ever, ['last.py', 'page.html'])
})

test.serial('tells of many files at once', async (t) => {
  const names = Array.from({ length: 300 }, (_, index) => `pkg${index % 10}/mod${index}.py`).toSorted()
  const root = await scratchFolder(t, { ...FILES, ...Object.fromEntries(names.map((name) => [name, ''])) })
  const watcher = new Watched(t, root, { delay: 100 })
  await watcher.sees('last.py')
  await Promise.all(names.map((name) => writeFile(join(root, name), 'x = 1')))
  await watcher.until(...names)
  t.deepEqual(watcher.ever, ['last.py', ...names])
})

test.serial('misses no change of a file that is written again and again', async (t) => {
  const root = await scratchFolder(t, FILES)
  const changes = new EventEmitter()
  const watcher = new Watcher({
    filter: new FileFilter({ 'app-dir': root, 'reload-dir': [], 'reload-include': [], 'reload-exclude': [] }),
    files: [],
    delay: 0,
    since: Date.now(),
    // As a process would that is started now.
    onChange: () => changes.emit('change', fs.readFileSync(join(root, 'main.py'), 'utf8')),
    onWarning: (message) => t.fail(message),
  })
  t.teardown(() => watcher.close())
  for (let pause = 0; pause < 80; pause += 2) {
    await writeFile(join(root, 'main.py'), `${pause} first`)
    await new Promise((resolve) => setTimeout(resolve, pause))
    const last = `${pause} last`
    const seen = on(changes, 'change')
    await writeFile(join(root, 'main.py'), last)
    for await (const [text] of seen) {
      if (text === last) break
    }
  }
  t.pass()
})

test.serial('tells of what was changed while it was about to begin', async (t) => {
  const root = await scratchFolder(t, FILES)
  const watcher = new Watched(t, root, { since: Date.now() - 3_600_000 })
  const programs = Object.keys(FILES).filter((name) => name.endsWith('.py'))
  await watcher.until(...programs)
  t.deepEqual(watcher.ever, programs.toSorted())
})

test.serial('watches files of configuration, and finds them when they come', async (t) => {
  const root = await scratchFolder(t, { ...FILES, '.env': '' })
  const watcher = new Watched(t, root, { files: ['.env', 'amphis.config.js'] })
  await watcher.sees('last.py')
  await writeFile(join(root, '.env'), 'A=1')
  await watcher.until('.env')
  await writeFile(join(root, 'other.js'), '')
  await writeFile(join(root, 'amphis.config.js'), '')
  await watcher.until('amphis.config.js')
  t.deepEqual(watcher.ever, ['.env', 'amphis.config.js', 'last.py'])
})

test.serial('does not look into folders that it is not to watch', async (t) => {
  const root = await scratchFolder(t, { ...FILES, 'node_modules/x/y/a.py': '', '.git/a/b.py': '', 'out/a/b.py': '' })
  watched.length = 0
  read.length = 0
  const watcher = new Watched(t, root, { exclude: ['out/**'] })
  await watcher.sees('last.py')
  await watcher.sees('pkg/mod.py')
  const names = [...watched, ...read].map((path) => relative(root, path))
  t.true(names.includes('pkg'))
  t.deepEqual(
    names.filter((name) => /^(?:node_modules|\.git|out)/.test(name)),
    [],
  )
})

for (const [code, remedy] of [
  ['ENOSPC', process.platform === 'linux' ? 'sudo sysctl fs.inotify.max_user_watches=524288' : 'ulimit -n 65536'],
  ['EMFILE', process.platform === 'linux' ? 'sudo sysctl fs.inotify.max_user_instances=1024' : 'ulimit -n 65536'],
] as const) {
  test.serial(`looks at files from time to time where the system refuses to watch (${code})`, async (t) => {
    const root = await scratchFolder(t, FILES)
    refusal = code
    t.teardown(() => (refusal = undefined))
    const watcher = new Watched(t, root)
    await watcher.sees('last.py')
    await writeFile(join(root, 'pkg/mod.py'), 'x = 1')
    await watcher.until('pkg/mod.py')
    await writeFile(join(root, 'pkg/new.py'), '')
    await watcher.until('pkg/new.py')
    t.deepEqual(watcher.ever, ['last.py', 'pkg/mod.py', 'pkg/new.py'])
    t.is(watcher.warnings.length, 1)
    t.true(watcher.warnings[0]?.includes(code))
    t.true(watcher.warnings[0]?.endsWith(`${remedy}.`))
  })
}
