import { execFile } from 'node:child_process'
import { chmod, mkdir, mkdtemp, readFile, realpath, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { ExecutionContext } from 'ava'
import type { InterpreterFacts } from '../../lib/python/probe.js'

const run = promisify(execFile)

/** A folder that is gone after the test. Resolved: the temporary folder of macOS is a symbolic link. */
export async function temporaryFolder(t: ExecutionContext): Promise<string> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'amphis-python-')))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  return folder
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory()
  } catch {
    return false
  }
}

/** The real interpreter that the tests run with: `AMPHIS_TEST_PYTHON`, else the repository's `.venv`, else PATH's. */
export async function realInterpreter(): Promise<string> {
  const repository = fileURLToPath(new URL('../../', import.meta.url))
  const chosen = resolve(repository, process.env.AMPHIS_TEST_PYTHON || '.venv')
  if (await isFolder(chosen)) {
    return join(chosen, 'bin', 'python')
  }
  return process.env.AMPHIS_TEST_PYTHON ? chosen : 'python3'
}

/** The value of a Python expression, as a real interpreter sees it. `sys` and `sysconfig` are imported. */
export async function evaluate(interpreter: string, expression: string): Promise<unknown> {
  const script = `import json, os, sys, sysconfig; print(json.dumps(${expression}))`
  const { stdout } = await run(interpreter, ['-c', script])
  return JSON.parse(stdout)
}

/** A real virtual environment, empty. */
export async function realEnvironment(folder: string): Promise<string> {
  await run(await realInterpreter(), ['-m', 'venv', '--without-pip', folder])
  return folder
}

async function writeProgram(path: string, text: string): Promise<string> {
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, text)
  await chmod(path, 0o755)
  return path
}

/** An interpreter that is a shell script, and does what the script says. */
export function scriptedInterpreter(path: string, script: string): Promise<string> {
  return writeProgram(path, `#!/bin/sh\n${script}\n`)
}

/**
 * An interpreter that answers with facts of a plausible CPython 3.12, except for those given. As `sys.executable` it
 * gives the path it was started by, and it counts its runs.
 */
export function answeringInterpreter(path: string, facts: Partial<InterpreterFacts> = {}): Promise<string> {
  const prefix = dirname(dirname(path))
  const answer: InterpreterFacts = {
    implementation: 'cpython',
    version: [3, 12, 1],
    executable: '@itself@',
    basePrefix: prefix,
    freeThreaded: false,
    enableShared: true,
    libdir: join(prefix, 'lib'),
    multiarch: '',
    instsoname: 'libpython3.12.so.1.0',
    ldlibrary: 'libpython3.12.so',
    frameworkPrefix: '',
    ...facts,
  }
  const line = `amphis-python-facts:${JSON.stringify(answer)}`.replaceAll(/[\\$`"]/g, '\\$&')
  // Only what the shell has built in: tests give it no PATH.
  return scriptedInterpreter(path, `echo run >> '${path}.runs'\nprintf '%s\\n' "${line.replace('@itself@', '$0')}"`)
}

/** How often an interpreter of {@link answeringInterpreter} was started. */
export async function countRuns(path: string): Promise<number> {
  try {
    return (await readFile(`${path}.runs`, 'utf8')).trimEnd().split('\n').length
  } catch {
    return 0
  }
}

const ELF_MACHINES: Readonly<Record<string, number>> = {
  arm: 40,
  arm64: 183,
  ia32: 3,
  loong64: 258,
  ppc64: 21,
  riscv64: 243,
  s390x: 22,
  x64: 62,
}
const MACH_CPUS: Readonly<Record<string, number>> = { x64: 0x0100_0007, arm64: 0x0100_000c }
const WORD_BITS_32 = new Set(['arm', 'ia32'])

/** An architecture that this process is not. */
export const foreignArchitecture = process.arch === 'arm64' ? 'x64' : 'arm64'

/** The beginning of an ELF file, long enough for the loader to look at it. */
export function elfHeader(architecture: string, { bigEndian = false, bits = 64 } = {}): Buffer {
  const header = Buffer.alloc(1024)
  header.writeUInt32BE(0x7f45_4c46, 0)
  header[4] = bits === 32 || WORD_BITS_32.has(architecture) ? 1 : 2
  header[5] = bigEndian ? 2 : 1
  header[6] = 1
  const machine = ELF_MACHINES[architecture] ?? 0xfff0
  if (bigEndian) {
    header.writeUInt16BE(3, 16)
    header.writeUInt16BE(machine, 18)
  } else {
    header.writeUInt16LE(3, 16)
    header.writeUInt16LE(machine, 18)
    header.writeUInt32LE(1, 20)
  }
  return header
}

/** The beginning of a Mach-O file of macOS. */
export function machHeader(architecture: string): Buffer {
  const header = Buffer.alloc(1024)
  header.writeUInt32LE(0xfeed_facf, 0)
  header.writeUInt32LE(MACH_CPUS[architecture] ?? 0x7fff_0000, 4)
  return header
}

/** The beginning of a universal binary of macOS. */
export function fatHeader(architectures: readonly string[], { wide = false } = {}): Buffer {
  const header = Buffer.alloc(1024)
  header.writeUInt32BE(wide ? 0xcafe_babf : 0xcafe_babe, 0)
  header.writeUInt32BE(architectures.length, 4)
  for (const [index, architecture] of architectures.entries()) {
    header.writeUInt32BE(MACH_CPUS[architecture] ?? 0x7fff_0000, 8 + index * (wide ? 32 : 20))
  }
  return header
}

/** Writes a file and the folders above it. */
export async function writeDeep(path: string, content: string | Buffer): Promise<string> {
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, content)
  return path
}

export interface FakeInstallation {
  prefix: string
  bin: string
  interpreter: string
  libpython: string
}

/** An installation of CPython 3.12 for Linux that consists of a script and of the header of a library. */
export async function fakeInstallation(
  prefix: string,
  options: { minor?: number; architecture?: string; facts?: Partial<InterpreterFacts> } = {},
): Promise<FakeInstallation> {
  const { minor = 12, architecture = process.arch, facts = {} } = options
  const bin = join(prefix, 'bin')
  const soname = `libpython3.${minor}.so.1.0`
  const interpreter = await answeringInterpreter(join(bin, `python3.${minor}`), {
    version: [3, minor, 1],
    instsoname: soname,
    ldlibrary: `libpython3.${minor}.so`,
    ...facts,
  })
  await symlink(`python3.${minor}`, join(bin, 'python3'))
  await symlink(`python3.${minor}`, join(bin, 'python'))
  const libpython = await writeDeep(join(prefix, 'lib', soname), elfHeader(architecture))
  return { prefix, bin, interpreter, libpython }
}

/** A virtual environment of a {@link fakeInstallation}, made as `python -m venv` makes it. */
export async function fakeEnvironment(
  root: string,
  { bin, interpreter }: FakeInstallation,
  { config, packages = 'python3.12' }: { config?: string; packages?: string } = {},
): Promise<string> {
  await mkdir(join(root, 'lib', packages, 'site-packages'), { recursive: true })
  await mkdir(join(root, 'bin'))
  await symlink(interpreter, join(root, 'bin', 'python'))
  await symlink('python', join(root, 'bin', 'python3'))
  const text = config ?? 'include-system-site-packages = false\nversion = 3.12.1\n'
  await writeFile(join(root, 'pyvenv.cfg'), `home = ${bin}\n${text}`)
  return root
}
