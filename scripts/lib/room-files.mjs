// Whether the table of rooms and the folders are of one mind.
import { readdirSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import { inRoot } from './paths.mjs'
import { tableProblems } from './room-rules.mjs'
import { houses } from './rooms.mjs'

/** @typedef {import('./room-rules.mjs').HouseName} HouseName */

/** @type {Record<HouseName, string>} */
const LANGUAGES = { lib: '.ts', src: '.rs' }

/**
 * The files of a house that live in rooms.
 *
 * @param {HouseName} name
 */
export function filesOf(name) {
  return readdirSync(inRoot(name), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(LANGUAGES[name]))
    .map((entry) => relative(inRoot(name), join(entry.parentPath, entry.name)).split(sep).join('/'))
    .toSorted()
}

/** What is wrong with any house; one without lines has no rooms. */
export function roomProblems() {
  return /** @type {HouseName[]} */ (Object.keys(houses))
    .filter((name) => houses[name].length > 0)
    .flatMap((name) => tableProblems(name, filesOf(name)))
}
