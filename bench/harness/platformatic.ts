import { mkdir, readFile, readdir, symlink, unlink } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { ContestantFailed, type Command } from './child.js'
import { installedVersion } from './node-peers.js'
import { bench, cache, servers } from './paths.js'
import { describeInterpreter, type Interpreter } from './python.js'

const native = `@platformatic/python-node-${process.platform}-${process.arch}${process.platform === 'linux' ? '-gnu' : ''}`
const wanted = '2.0.0'

/**
 * How to start the peer on an interpreter. Its default install picks native 0.1.10, hence the override in package.json;
 * its native binary asks for the libpython it was linked with by name, hence a folder where that name leads to the
 * interpreter's own library (what its install script does by rewriting the binary); and it finds the standard library
 * only by PYTHONHOME.
 */
export async function platformaticCommand(python: Interpreter, appDir: string): Promise<Command> {
  const version = await installedVersion(native)
  if (version !== wanted) {
    throw new ContestantFailed(`${native} is ${version ?? 'not installed'}, ${wanted} is wanted`)
  }
  if (python.libpython === undefined) {
    throw new ContestantFailed(`Python ${python.version} has no shared libpython`)
  }
  const libraries = await aliasLibpython(python.libpython, python.version)
  return {
    argv: [process.execPath, '--expose-gc', join(servers, 'platformatic.js'), JSON.stringify({ appDir })],
    cwd: bench,
    ipc: true,
    env: {
      [process.platform === 'darwin' ? 'DYLD_LIBRARY_PATH' : 'LD_LIBRARY_PATH']: libraries,
      PYTHONHOME: python.basePrefix,
      VIRTUAL_ENV: '',
    },
  }
}

async function aliasLibpython(libpython: string, version: string): Promise<string> {
  const binary = await readFile(
    join(bench, 'node_modules', native, `python-node.${process.platform}-${process.arch}-gnu.node`),
  )
  const name = /libpython3\.\d+\.so\.1\.0/.exec(binary.toString('latin1'))?.[0]
  if (name === undefined) {
    throw new ContestantFailed('its binary names no libpython')
  }
  const folder = join(cache, `libpython-${version}`)
  await mkdir(folder, { recursive: true })
  await unlink(join(folder, name)).catch(() => undefined)
  await symlink(libpython, join(folder, name))
  return folder
}

let python310: Promise<Interpreter | undefined> | undefined

/** A Python 3.10 with a shared library: `BENCH_PYTHON_310`, `python3.10` on PATH, or one of pyenv's. */
export function findPython310(): Promise<Interpreter | undefined> {
  python310 ??= search()
  return python310
}

async function search(): Promise<Interpreter | undefined> {
  const versions = join(process.env['PYENV_ROOT'] ?? join(homedir(), '.pyenv'), 'versions')
  const pyenvs = (await readdir(versions).catch(() => [])).filter((name) => name.startsWith('3.10.'))
  const candidates = [
    process.env['BENCH_PYTHON_310'],
    'python3.10',
    ...pyenvs.map((name) => join(versions, name, 'bin', 'python')),
  ]
  for (const candidate of candidates) {
    const found = candidate && (await describeInterpreter(candidate).catch(() => undefined))
    if (found && found.version.startsWith('3.10.') && found.libpython !== undefined) {
      return found
    }
  }
  return undefined
}
