import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { problemsOf } from './arrows.mjs'
import { houses, pairs } from './rooms.mjs'
import { rustArrows } from './rust-arrows.mjs'

/**
 * What is wrong with the rooms of a Rust crate: arrows that run up or in circles, and files without a room.
 *
 * @param {string} folder the crate's `src`
 * @param {import('./rooms.mjs').House} [house]
 * @param {import('./rooms.mjs').Pair[]} [allowed]
 * @returns {string[]} one line each
 */
export function rustRoomProblems(folder, house = houses.src, allowed = pairs.src) {
  const paths = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.rs'))
  const sources = new Map(paths.map((path) => [path, readFileSync(join(folder, path), 'utf8')]))
  const rooms = house.flat().map(({ name }) => name)
  const homeless = paths
    .filter((path) => !rooms.includes(path.replace(/\.rs$/, '').split('/')[0] ?? ''))
    .map((path) => `${path} is in no room: give it one in scripts/lib/rooms.mjs`)
  const empty = rooms
    .filter((room) => !paths.some((path) => path === `${room}.rs` || path.startsWith(`${room}/`)))
    .map((room) => `the room ${room} does not exist: take it out of scripts/lib/rooms.mjs`)
  return [...problemsOf(house, allowed, rustArrows(sources)), ...homeless, ...empty].map((line) => `src/${line}`)
}
