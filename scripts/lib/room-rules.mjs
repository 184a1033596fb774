// What the table of rooms forbids, for whoever reads the arrows of a language.
import { posix } from 'node:path'
import { houses, pairs } from './rooms.mjs'

/** @typedef {keyof typeof houses} HouseName */
/** @typedef {import('./rooms.mjs').Pair} Pair */

const TABLE = 'scripts/lib/rooms.mjs'

/**
 * The room that a file lives in: its folder, or the file itself where it stands beside the folders.
 *
 * @param {string} file relative to the house
 */
export function roomOf(file) {
  const folder = posix.dirname(file)
  return folder === '.' ? file.slice(0, file.length - posix.extname(file).length) : folder
}

/**
 * @param {HouseName} name
 * @param {string} room
 * @returns {number} -1 where the table has no such room
 */
const lineOf = (name, room) => houses[name].findIndex((line) => line.some((each) => each.name === room))

/**
 * Why one file may not know another; undefined where it may, and where the table does not know one of them, which
 * {@link tableProblems} tells.
 *
 * @param {HouseName} name
 * @param {string} from relative to the house, as `to`
 * @param {string} to
 * @returns {string | undefined}
 */
export function arrowProblem(name, from, to) {
  const [knowing, known] = [roomOf(from), roomOf(to)]
  const [line, other] = [lineOf(name, knowing), lineOf(name, known)]
  if (knowing === known || line === -1 || other === -1 || line < other) return undefined
  const arrow = `${name}/${from} may not know ${name}/${to}, not even a type of it`
  return line > other
    ? `${arrow}: ${knowing} stands below ${known} (${TABLE}). ` +
        `Move what both need to ${knowing} or further down, or have ${known} hand it over.`
    : `${arrow}: ${knowing} and ${known} stand on one line (${TABLE}), and neighbours do not know each other. ` +
        'Move what both need to a room below them, or let one above bring them together.'
}

/**
 * Who knows whom within the rooms of a house, as far as it has been told: for circles, which between rooms need an
 * arrow that runs up.
 */
export class Acquaintances {
  /** @type {Map<string, Set<string>>} */
  #known = new Map()
  /** @type {HouseName} */
  #name
  /** @type {readonly Pair[]} */
  #pairs

  /**
   * @param {HouseName} name
   * @param {readonly Pair[]} [own]
   */
  constructor(name, own = pairs[name]) {
    this.#name = name
    this.#pairs = own
  }

  /**
   * Notes all that a file knows, and looks for a circle that this closes.
   *
   * @param {string} file relative to the house, as what it knows
   * @param {string[]} known
   * @returns {string | undefined} what is wrong
   */
  add(file, known) {
    const self = this.#machine(file)
    const others = new Set(known.filter((other) => roomOf(other) === roomOf(file) && this.#machine(other) !== self))
    this.#known.set(file, others)
    const way = this.#wayBack(file)
    if (!way) return undefined
    const files = [...way, file].map((each) => `${this.#name}/${each}`).join(', which knows ')
    return (
      `${this.#name}/${file} knows ${files}: a circle. Move what they share to a file that knows none of them, or hand ` +
      `it over; two files that really are one machine are a pair in ${TABLE}.`
    )
  }

  /**
   * The pair that a file belongs to, by its first file.
   *
   * @param {string} file
   */
  #machine(file) {
    return this.#pairs.find(({ files }) => files.includes(file))?.files[0] ?? file
  }

  /**
   * The shortest way from what a file knows back to it, without the file itself.
   *
   * @param {string} file
   * @returns {string[] | undefined}
   */
  #wayBack(file) {
    const home = this.#machine(file)
    const visited = new Set([home])
    /** @type {string[][]} */
    let ways = [...this.#partsOf(home)].flatMap((part) => [...(this.#known.get(part) ?? [])].map((next) => [next]))
    while (ways.length > 0) {
      /** @type {string[][]} */
      const longer = []
      for (const way of ways) {
        const machine = this.#machine(/** @type {string} */ (way.at(-1)))
        if (machine === home) return way.slice(0, -1)
        if (visited.has(machine)) continue
        visited.add(machine)
        for (const part of this.#partsOf(machine))
          for (const next of this.#known.get(part) ?? []) longer.push([...way, next])
      }
      ways = longer
    }
    return undefined
  }

  /**
   * @param {string} machine
   * @returns {readonly string[]}
   */
  #partsOf(machine) {
    return this.#pairs.find(({ files }) => files[0] === machine)?.files ?? [machine]
  }
}

/**
 * Where the table and the files of a house do not say the same.
 *
 * @param {HouseName} name
 * @param {readonly string[]} files relative to the house
 * @returns {string[]}
 */
export function tableProblems(name, files) {
  const rooms = houses[name].flat().map((room) => room.name)
  const lived = new Set(files.map(roomOf))
  return [
    ...rooms
      .filter((room, at) => rooms.indexOf(room) !== at)
      .map((room) => `${TABLE} has ${name}/${room} twice. Leave it on one line.`),
    ...rooms
      .filter((room) => !lived.has(room))
      .map((room) => `${TABLE} has ${name}/${room}, but nobody lives there. Take it out.`),
    ...files
      .filter((file) => !rooms.includes(roomOf(file)))
      .map((file) => `${name}/${file} is in no room of ${TABLE}. Give ${roomOf(file)} a line there, or move the file.`),
    ...pairs[name]
      .filter(({ files: both }) => both.some((file) => !files.includes(file)) || new Set(both.map(roomOf)).size > 1)
      .map(({ files: both }) => `${TABLE} has the pair ${both.join(' and ')}, which is not two files of one room.`),
  ]
}
