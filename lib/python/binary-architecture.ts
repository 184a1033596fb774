// The processors that an ELF or Mach-O file is built for.
import { closeSync, openSync, readSync } from 'node:fs'

// Enough for an ELF or Mach-O header and the slice table of any universal binary that exists.
const HEADER_BYTES = 4096

// e_machine of ELF, in the words of `process.arch`.
const ELF_MACHINES: ReadonlyMap<number, string> = new Map([
  [3, 'ia32'],
  [8, 'mips'],
  [20, 'ppc'],
  [21, 'ppc64'],
  [22, 's390x'],
  [40, 'arm'],
  [62, 'x64'],
  [183, 'arm64'],
  [243, 'riscv64'],
  [258, 'loong64'],
])

// cputype of Mach-O, in the words of `process.arch`.
const MACH_CPUS: ReadonlyMap<number, string> = new Map([
  [0x0000_0007, 'ia32'],
  [0x0100_0007, 'x64'],
  [0x0000_000c, 'arm'],
  [0x0100_000c, 'arm64'],
])

const ELF_MAGIC = 0x7f45_4c46
const MACH_MAGIC_32 = 0xfeed_face
const MACH_MAGIC_64 = 0xfeed_facf
const FAT_MAGIC = 0xcafe_babe
const FAT_MAGIC_64 = 0xcafe_babf

function elfArchitecture(header: Buffer): string {
  const machine = header[5] === 2 ? header.readUInt16BE(18) : header.readUInt16LE(18)
  const is32Bit = header[4] === 1
  const name = ELF_MACHINES.get(machine) ?? `ELF machine ${machine}`
  // x86-64 code with 32-bit pointers: neither ia32 nor what Node.js calls x64.
  return name === 'x64' && is32Bit ? 'x32' : name
}

function machArchitecture(cpu: number): string {
  return MACH_CPUS.get(cpu) ?? `Mach-O cpu ${cpu}`
}

function fatArchitectures(header: Buffer, entryBytes: number): string[] | undefined {
  const count = header.readUInt32BE(4)
  // Java class files share the magic number; their version stands where the count is, and is larger.
  if (count === 0 || count > 40 || header.length < 8 + count * entryBytes) {
    return undefined
  }
  return Array.from({ length: count }, (_, index) => machArchitecture(header.readUInt32BE(8 + index * entryBytes)))
}

/**
 * The processors that a program or shared library was built for, in the words of `process.arch` (several for a
 * universal binary of macOS), or `undefined` when the bytes are neither ELF nor Mach-O: a script, for instance.
 */
export function parseArchitectures(header: Buffer): string[] | undefined {
  if (header.length < 20) {
    return undefined
  }
  const magic = header.readUInt32BE(0)
  if (magic === ELF_MAGIC) {
    return [elfArchitecture(header)]
  }
  if (magic === MACH_MAGIC_64 || magic === MACH_MAGIC_32) {
    return [machArchitecture(header.readUInt32BE(4))]
  }
  if (magic === FAT_MAGIC) {
    return fatArchitectures(header, 20)
  }
  if (magic === FAT_MAGIC_64) {
    return fatArchitectures(header, 32)
  }
  const swapped = header.readUInt32LE(0)
  if (swapped === MACH_MAGIC_64 || swapped === MACH_MAGIC_32) {
    return [machArchitecture(header.readUInt32LE(4))]
  }
  return undefined
}

/**
 * {@link parseArchitectures} of a file; `undefined` also when it cannot be read. Synchronous, for one small read costs
 * less than a way through the thread pool, and the loader needs it so.
 */
export function readArchitectures(path: string): string[] | undefined {
  let file: number
  try {
    file = openSync(path, 'r')
  } catch {
    return undefined
  }
  try {
    const header = Buffer.alloc(HEADER_BYTES)
    return parseArchitectures(header.subarray(0, readSync(file, header, 0, HEADER_BYTES, 0)))
  } catch {
    // A folder opens, but does not read.
    return undefined
  } finally {
    closeSync(file)
  }
}
