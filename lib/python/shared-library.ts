// Where libpython may be, and how to get it.
import { readFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import type { PythonVersion } from './pyvenv-config.js'

/** What is known about where an installation keeps its shared library. */
export interface LibraryClues {
  platform: NodeJS.Platform
  version: PythonVersion
  /** Folder of the installation, the one that holds `bin` and `lib`. */
  basePrefix: string
  multiarch?: string | undefined
  libdir?: string | undefined
  instsoname?: string | undefined
  ldlibrary?: string | undefined
  frameworkPrefix?: string | undefined
}

const MULTIARCH: ReadonlyMap<string, string> = new Map([
  ['arm', 'arm-linux-gnueabihf'],
  ['arm64', 'aarch64-linux-gnu'],
  ['ia32', 'i386-linux-gnu'],
  ['loong64', 'loongarch64-linux-gnu'],
  ['ppc64', 'powerpc64le-linux-gnu'],
  ['riscv64', 'riscv64-linux-gnu'],
  ['s390x', 's390x-linux-gnu'],
  ['x64', 'x86_64-linux-gnu'],
])

/** Debian's name for the folder of this process's architecture. */
export const OWN_MULTIARCH: string | undefined = MULTIARCH.get(process.arch)

function isShared(name: string | undefined): name is string {
  return name !== undefined && name !== '' && !name.endsWith('.a')
}

function linuxCandidates({ version: [major, minor], ...clues }: LibraryClues): string[] {
  const names = [
    clues.instsoname,
    `libpython${major}.${minor}.so.1.0`,
    clues.ldlibrary,
    `libpython${major}.${minor}.so`,
  ]
  // The prefix before LIBDIR: builds that were moved (uv's, for one) still have the old folder in LIBDIR.
  const folders = [join(clues.basePrefix, 'lib'), join(clues.basePrefix, 'lib64')]
  if (clues.multiarch) {
    folders.push(join(clues.basePrefix, 'lib', clues.multiarch))
  }
  if (clues.libdir) {
    folders.push(clues.libdir)
  }
  return folders.flatMap((folder) => names.filter(isShared).map((name) => join(folder, basename(name))))
}

function macCandidates({ version: [major, minor], ...clues }: LibraryClues): string[] {
  const version = `${major}.${minor}`
  const candidates: string[] = []
  if (clues.frameworkPrefix && isShared(clues.ldlibrary)) {
    candidates.push(join(clues.frameworkPrefix, clues.ldlibrary))
  }
  // In a framework (python.org) the installation's folder is `Python.framework/Versions/X.Y`, with the library in it.
  if (basename(clues.basePrefix) === version && basename(dirname(clues.basePrefix)) === 'Versions') {
    candidates.push(join(clues.basePrefix, 'Python'))
  }
  // Homebrew keeps that framework below the formula's folder.
  candidates.push(join(clues.basePrefix, 'Frameworks', 'Python.framework', 'Versions', version, 'Python'))
  const names = [`libpython${version}.dylib`, clues.instsoname, clues.ldlibrary]
    .filter(isShared)
    .map((n) => basename(n))
  const folders = [join(clues.basePrefix, 'lib'), ...(clues.libdir ? [clues.libdir] : [])]
  return [...candidates, ...folders.flatMap((folder) => names.map((name) => join(folder, name)))]
}

/** Every file that may be the installation's libpython, the likeliest first. */
export function libraryCandidates(clues: LibraryClues): string[] {
  return [...new Set(clues.platform === 'darwin' ? macCandidates(clues) : linuxCandidates(clues))]
}

async function isDebian(): Promise<boolean> {
  try {
    return /^ID(?:_LIKE)?=.*\b(?:debian|ubuntu)\b/m.test(await readFile('/etc/os-release', 'utf8'))
  } catch {
    return false
  }
}

/** One sentence on how to get the shared library that an installation lacks. */
export async function libraryRemedy({ platform, basePrefix, version }: LibraryClues): Promise<string> {
  const minor = `${version[0]}.${version[1]}`
  const pyenv = /[/\\]\.?pyenv[/\\]versions[/\\]([^/\\]+)$/.exec(basePrefix)
  if (pyenv !== null) {
    return `Build it again with one: PYTHON_CONFIGURE_OPTS=--enable-shared pyenv install --force ${pyenv[1]}`
  }
  if (platform === 'linux' && basePrefix === '/usr' && (await isDebian())) {
    return `Install it: apt install libpython${minor}`
  }
  return (
    `Use a Python that has one, such as that of "uv python install ${minor}", conda, Homebrew, python.org or your ` +
    'distribution (Debian and Ubuntu: apt install libpython' +
    `${minor}), or build Python with --enable-shared.`
  )
}
