import { readFileSync } from 'node:fs'
import { inRoot } from './paths.mjs'
import { filesOf } from './room-files.mjs'
import { Acquaintances, arrowProblem } from './room-rules.mjs'
import { rustArrows } from './rust-arrows.mjs'

/**
 * What the table of rooms forbids among the files of the crate.
 *
 * @param {ReadonlyMap<string, string>} [sources] by path relative to `src/`; default: those that are there
 * @returns {string[]}
 */
export function rustRoomProblems(sources = crate()) {
  const acquaintances = new Acquaintances('src')
  return [...rustArrows(sources)].flatMap(([file, known]) => {
    const problems = known.map((other) => arrowProblem('src', file, other))
    return [...problems, acquaintances.add(file, known)].filter((problem) => problem !== undefined)
  })
}

function crate() {
  return new Map(filesOf('src').map((path) => [path, readFileSync(inRoot('src', path), 'utf8')]))
}
