import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { inRoot } from './paths.mjs'

/**
 * Every file below the given files and folders, in a stable order.
 *
 * @param {string[]} paths relative to the root; one that does not exist counts as empty
 * @returns {string[]}
 */
function filesBelow(paths) {
  return paths.flatMap((path) => {
    const stats = statSync(inRoot(path), { throwIfNoEntry: false })
    if (!stats) return []
    if (!stats.isDirectory()) return [path]
    const names = readdirSync(inRoot(path)).filter((name) => name !== '__pycache__')
    return filesBelow(names.toSorted().map((name) => join(path, name)))
  })
}

/**
 * One hash for the contents of files and folders and for whatever else an output depends on.
 *
 * @param {string[]} paths relative to the root
 * @param {...string} others
 */
export function fingerprint(paths, ...others) {
  const hash = createHash('sha256')
  for (const path of filesBelow(paths))
    hash
      .update(`${path}\0`)
      .update(readFileSync(inRoot(path)))
      .update('\0')
  for (const other of others) hash.update(`${other}\0`)
  return hash.digest('hex')
}

/**
 * Reads what an earlier run noted; undefined when there is nothing to read.
 *
 * @param {string} path
 * @returns {unknown}
 */
export function readStamp(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch {
    return undefined
  }
}

/**
 * @param {string} path
 * @param {unknown} value
 */
export function writeStamp(path, value) {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, `${JSON.stringify(value, null, 2)}\n`)
}
