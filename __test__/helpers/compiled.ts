import { execFile } from 'node:child_process'
import { mkdir, realpath, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { evaluate } from './fake-python.js'
import { fixtures, interpreter } from './python.js'

const run = promisify(execFile)
const sources = join(fixtures, 'native')

/** The language of an extension module: those in C++ share their runtime with Node. */
export type Language = 'c' | 'c++'

/** Where the library is that it needs: a file of its own, as wheels have it, or inside, as uvloop has libuv. */
export type Linking = 'beside it' | 'in it'

async function compile(language: Language, args: readonly string[]): Promise<void> {
  await run(language === 'c' ? 'cc' : 'c++', ['-shared', '-fPIC', '-O2', '-w', ...args])
}

/** The replacement of malloc, for `LD_PRELOAD`. */
export async function compileAllocator(folder: string): Promise<string> {
  const library = join(folder, 'liballocator.so')
  // Not builtin: what looks like calloc would become a call of calloc.
  await compile('c', ['-fno-builtin', '-o', library, join(sources, 'allocator.c')])
  return library
}

/** The library of the wheel alone. */
export async function compileLibrary(folder: string): Promise<string> {
  const library = join(folder, 'libvendored.so')
  await compile('c', ['-o', library, join(sources, 'vendored.c')])
  return library
}

/** Compiles the module `extension` into a folder of its own; gives the folder, to be put on `sys.path`. */
export async function compileExtension(folder: string, language: Language, linking: Linking): Promise<string> {
  const target = join(folder, `${language} ${linking}`)
  await mkdir(join(target, 'extension.libs'), { recursive: true })
  const include = (await evaluate(interpreter, 'sysconfig.get_path("include")')) as string
  const objects: string[] = []
  if (linking === 'beside it') {
    await compileLibrary(join(target, 'extension.libs'))
    objects.push(`-L${join(target, 'extension.libs')}`, '-lvendored', '-Wl,-rpath,$ORIGIN/extension.libs')
  } else {
    const object = join(target, 'vendored.o')
    await run('cc', ['-c', '-fPIC', '-O2', '-o', object, join(sources, 'vendored.c')])
    objects.push('-x', 'none', object)
  }
  const source = ['-x', language, join(sources, 'extension.c')]
  const module = ['-o', join(target, 'extension.abi3.so')]
  await compile(language, [`-I${include}`, ...module, ...source, ...objects])
  return target
}

/** An environment with the packages that the tests' own has, and files of its own. */
export async function environmentBeside(folder: string, ...options: readonly string[]): Promise<{ packages: string }> {
  await run(interpreter, ['-m', 'venv', '--without-pip', ...options, folder])
  const own = join(folder, 'bin', 'python')
  const packages = (await evaluate(own, 'sysconfig.get_path("purelib")')) as string
  const shared = (await evaluate(interpreter, 'sysconfig.get_path("purelib")')) as string
  for (const name of ['uvloop', 'numpy', 'numpy.libs']) {
    await symlink(await realpath(join(shared, name)), join(packages, name))
  }
  return { packages }
}
