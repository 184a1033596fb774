// Which glibc the ELF files of a folder need: the newest version that any of them names, as `readelf -V` has it.
import { closeSync, openSync, readdirSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { Problem } from './problem.mjs'
import { run } from './run.mjs'

const MAGIC = Buffer.from([0x7f, 0x45, 0x4c, 0x46])

/** @param {string} path */
function isElf(path) {
  const file = openSync(path, 'r')
  try {
    const head = Buffer.alloc(MAGIC.length)
    return readSync(file, head) === MAGIC.length && head.equals(MAGIC)
  } finally {
    closeSync(file)
  }
}

/**
 * @param {string} one
 * @param {string} other
 */
export function isNewer(one, other) {
  const [major = 0, minor = 0] = one.split('.').map(Number)
  const [otherMajor = 0, otherMinor = 0] = other.split('.').map(Number)
  return major > otherMajor || (major === otherMajor && minor > otherMinor)
}

/**
 * The newest glibc that each ELF file below a folder needs.
 *
 * @param {string} folder
 * @returns {Promise<Map<string, string>>} by its path; without those that name none
 */
export async function glibcNeeds(folder) {
  const paths = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter(isElf)
  /** @type {Map<string, string>} */
  const needs = new Map()
  for (const path of paths) {
    const { code, output } = await run('readelf', ['--version-info', '--wide', path], {
      quiet: true,
      env: { LC_ALL: 'C' },
    })
    if (code === 127) throw new Problem('readelf is missing', 'install binutils')
    if (code !== 0) throw new Problem(`readelf cannot read ${path}`, output.trim())
    for (const [, version = ''] of output.matchAll(/\bName: GLIBC_(\d+\.\d+)/g)) {
      if (isNewer(version, needs.get(path) ?? '0.0')) needs.set(path, version)
    }
  }
  return needs
}
