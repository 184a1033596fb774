import { chmod, mkdir, readFile, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { packageName, PACKAGES, projectFiles } from '../lib/cli/init/project.js'
import { amphisIn } from './helpers/command-line.js'
import { temporaryFolder } from './helpers/fake-python.js'
import { amphisInTerminal } from './helpers/pseudo-terminal.js'

const repository = new URL('../', import.meta.url)

/** Runs `amphis init` in an empty folder. */
async function init(t: ExecutionContext, args: string[], env: NodeJS.ProcessEnv = {}) {
  const folder = await temporaryFolder(t)
  const again = async (...more: string[]) => {
    const process = amphisIn({ npm_config_user_agent: undefined, ...env }, t, 'init', ...more)
    return process.ends()
  }
  return { folder, again, ...(await again(join(folder, args[0] ?? ''), ...args.slice(1))) }
}

async function filesOf(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .toSorted()
}

interface Manifest {
  name: string
  scripts: Record<string, string>
  dependencies: Record<string, string>
  devDependencies: Record<string, string>
}

async function manifestOf(folder: string): Promise<Manifest> {
  return JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as Manifest
}

const COMMON = ['.gitignore', 'README.md', 'app/main.py', 'package.json', 'public/index.html', 'requirements.txt']

test('writes a project in TypeScript and says what to type next', async (t) => {
  const { folder, code, stdout } = await init(t, ['My Shop'])
  t.is(code, 0)
  const project = join(folder, 'My Shop')
  t.deepEqual(await filesOf(project), [...COMMON, 'server.ts', 'tsconfig.json'].toSorted())
  const { name, scripts, dependencies, devDependencies } = await manifestOf(project)
  t.is(name, 'my-shop')
  t.deepEqual(Object.keys(scripts), ['dev', 'start', 'check'])
  t.deepEqual(Object.keys(dependencies), ['amphis', 'express', 'tsx'])
  t.deepEqual(Object.keys(devDependencies), ['typescript', '@types/express', '@types/node'])
  // This is a clone, which is where the project has to get it from.
  t.is(dependencies.amphis, `file:${new URL('.', repository).pathname.slice(0, -1)}`)
  t.true(stdout.includes(`\n  cd '${project}'\n  npm install\n  npm run dev\n`), stdout)
  t.regex(await readFile(join(project, 'README.md'), 'utf8'), /^# my-shop\n[\s\S]*`server\.ts`/)
  t.regex(await readFile(join(project, 'public/index.html'), 'utf8'), /<title>my-shop<\/title>/)
})

test('writes a project in JavaScript, for the package manager that runs it', async (t) => {
  const { folder, code, stdout } = await init(t, ['.', '--js', '--name', 'other', '--yes'], {
    npm_config_user_agent: 'pnpm/11.0.0 npm/? node/v20.20.2',
  })
  t.is(code, 0)
  t.deepEqual(await filesOf(folder), [...COMMON, 'server.js'].toSorted())
  const { name, scripts, dependencies, devDependencies } = await manifestOf(folder)
  t.is(name, 'other')
  t.is(scripts.start, 'amphis venv && NODE_ENV=production node server.js')
  t.deepEqual(Object.keys({ ...dependencies, ...devDependencies }), ['amphis', 'express', 'tsx'])
  t.true(stdout.includes(`pnpm install\n  pnpm run dev\n`), stdout)
  t.regex(await readFile(join(folder, 'README.md'), 'utf8'), /`server\.js`/)
})

test('never overwrites, and writes nothing where a file is in the way', async (t) => {
  const folder = await temporaryFolder(t)
  await mkdir(join(folder, 'app'))
  await writeFile(join(folder, 'app/main.py'), 'mine')
  await writeFile(join(folder, 'package.json'), '{}')
  const { code, stdout, stderr } = await amphisIn({}, t, 'init', folder).ends()
  t.is(code, 1)
  t.is(stdout, '')
  t.is(
    stderr,
    `error: In ${folder} there is already package.json and app/main.py, and nothing is overwritten. Choose another folder, or move them away.\n`,
  )
  t.deepEqual(await filesOf(folder), ['app/main.py', 'package.json'])
  t.is(await readFile(join(folder, 'app/main.py'), 'utf8'), 'mine')
})

test('other files of the folder stay as they are', async (t) => {
  const folder = await temporaryFolder(t)
  await writeFile(join(folder, 'notes.txt'), 'mine')
  t.is((await amphisIn({}, t, 'init', folder, '--js').ends()).code, 0)
  t.true((await filesOf(folder)).includes('server.js'))
  t.is(await readFile(join(folder, 'notes.txt'), 'utf8'), 'mine')
})

test('a folder that cannot be written is named, with the reason', async (t) => {
  const folder = await temporaryFolder(t)
  await writeFile(join(folder, 'file'), '')
  const inFile = await amphisIn({}, t, 'init', join(folder, 'file', 'project')).ends()
  t.is(inFile.code, 1)
  t.is(
    inFile.stderr,
    `error: ${join(folder, 'file/project/package.json')} cannot be written: what should be its folder is a file. Choose another folder.\n`,
  )
  // The superuser may write everywhere.
  if (process.getuid?.() === 0) return
  await mkdir(join(folder, 'locked'))
  await chmod(join(folder, 'locked'), 0o555)
  const locked = await amphisIn({}, t, 'init', join(folder, 'locked')).ends()
  t.is(locked.code, 1)
  t.regex(locked.stderr, /cannot be written: this user may not write there\. Choose another folder\.\n$/)
})

test('ends where no folder can be made at all', async (t) => {
  const { code, stdout, stderr } = await amphisIn({}, t, 'init', '/proc/x').ends()
  t.is(code, 1)
  t.is(stdout, '')
  // Only Linux has a folder of that name.
  if (process.platform !== 'linux') return
  t.is(stderr, 'error: /proc/x/package.json cannot be written: no folder can be made there. Choose another folder.\n')
})

test('arguments that are not understood are told, with exit code 2', async (t) => {
  const { again } = await init(t, ['.'])
  for (const [args, says] of [
    [['--tss'], '`amphis init` has no option --tss. Did you mean --ts?'],
    [['--everything'], '`amphis init` has no option --everything. `amphis init --help` shows all there are.'],
    [['--ts', '--js'], 'The server is in one language: give --ts or --js, not both.'],
    [['--js=yes'], '--js takes no value.'],
    [['--name'], '--name needs a value: --name NAME.'],
    [['one', 'two'], '`amphis init` takes one folder, not one and two.'],
  ] as const) {
    const { code, stdout, stderr } = await again(...args)
    t.deepEqual({ code, stdout, stderr }, { code: 2, stdout: '', stderr: `error: ${says}\n` })
  }
  const help = await again('--help')
  t.is(help.code, 0)
  t.regex(help.stdout, /^Usage: amphis init \[FOLDER\] \[options\]\n/)
})

test('asks in a terminal for what was not given', async (t) => {
  const folder = await temporaryFolder(t)
  const terminal = amphisInTerminal(t, ['init'], { cwd: folder, env: { NO_COLOR: '1' } })
  await terminal.prints('Folder [.] ')
  terminal.type('shop\r')
  await terminal.prints('TypeScript or JavaScript (ts/js) [ts] ')
  terminal.type('rust\r')
  await terminal.printsLine(/rust[\s\S]*\[ts\] /)
  terminal.type('JS\r')
  const { code, stdout } = await terminal.ends()
  t.is(code, 0)
  t.true(stdout.includes('  cd shop\r\n  npm install\r\n  npm run dev\r\n'), stdout)
  t.true((await filesOf(join(folder, 'shop'))).includes('server.js'))
})

for (const [how, typed] of [
  ['Ctrl+C', '\x03'],
  ['Ctrl+D', '\x04'],
] as const) {
  test(`${how} at a question writes nothing`, async (t) => {
    const folder = await temporaryFolder(t)
    const terminal = amphisInTerminal(t, ['init', '--ts'], { cwd: folder, env: { NO_COLOR: '1' } })
    await terminal.prints('Folder [.] ')
    terminal.type(typed)
    const { code, stdout } = await terminal.ends()
    t.is(code, 1)
    t.true(stdout.endsWith('Nothing was written.\r\n'), stdout)
    t.deepEqual(await filesOf(folder), [])
  })
}

test('says at once when there is no Python that will do', async (t) => {
  const { code, stderr } = await init(t, ['.'], { AMPHIS_PYTHON: '/nowhere/python' })
  t.is(code, 0)
  t.regex(stderr, /^warning: \/nowhere\/python \(from AMPHIS_PYTHON\) does not exist\./)
})

test('the name of a folder becomes one that npm takes', (t) => {
  for (const [text, name] of [
    ['shop', 'shop'],
    ['My Shop 2', 'my-shop-2'],
    ['.hidden', 'hidden'],
    ['Café_☕', 'caf-_'],
    ['☕', 'app'],
  ] as const) {
    t.is(packageName(text), name)
  }
})

test('needs what amphis itself is tested with', async (t) => {
  const { devDependencies } = await manifestOf(new URL('.', repository).pathname)
  const { tsx: _, ...shared } = PACKAGES
  t.like(devDependencies, shared)
})

test('the server is the same text in both languages', async (t) => {
  const [ts, js] = await Promise.all([
    projectFiles({ name: 'x', language: 'ts' }),
    projectFiles({ name: 'x', language: 'js' }),
  ])
  t.is(ts.get('server.ts'), js.get('server.js'))
})

test('--template aws-lambda writes a function, and no server', async (t) => {
  const { folder, code, stdout } = await init(t, ['shop', '--template', 'aws-lambda', '--yes'])
  t.is(code, 0)
  const project = join(folder, 'shop')
  t.deepEqual(
    await filesOf(project),
    [
      '.dockerignore',
      '.gitignore',
      'Dockerfile',
      'README.md',
      'app/jobs.py',
      'app/main.py',
      'function.mjs',
      'package.json',
      'requirements.txt',
    ].toSorted(),
  )
  const { name, dependencies } = await manifestOf(project)
  t.is(name, 'shop')
  t.deepEqual(Object.keys(dependencies), ['amphis', 'aws-lambda-ric'])
  t.regex(await readFile(join(project, 'README.md'), 'utf8'), /^# shop\n/)
  t.regex(await readFile(join(project, 'Dockerfile'), 'utf8'), /^ARG BASE=/m)
  t.regex(stdout, /docker build/)
})

test('a template that is not there is refused, and so is a language where there is no server', async (t) => {
  const near = await init(t, ['.', '--template', 'aws-lamda'])
  t.is(near.code, 2)
  t.regex(near.stderr, /There is no template aws-lamda\. Did you mean aws-lambda\?/)
  const typed = await init(t, ['.', '--template', 'aws-lambda', '--ts'])
  t.is(typed.code, 2)
  t.regex(typed.stderr, /The project aws-lambda has no server: leave out --ts\./)
})
