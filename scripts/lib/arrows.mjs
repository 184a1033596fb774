/**
 * One file that knows another; both relative to the house, without extension.
 *
 * @typedef {object} Arrow
 * @property {string} from
 * @property {string} to
 */

/** @typedef {import('./rooms.mjs').House} House */
/** @typedef {import('./rooms.mjs').Pair} Pair */

/**
 * The room of a file, and its line from above.
 *
 * @param {House} house
 * @param {string} file
 */
function roomOf(house, file) {
  for (const [line, rooms] of house.entries()) {
    // The longest name: a room may have rooms of its own.
    const room = rooms.find(({ name }) => file === name || file.startsWith(`${name}/`))
    if (room) return { name: room.name, line }
  }
  return undefined
}

/**
 * What is wrong with an arrow between two rooms; undefined when nothing is.
 *
 * @param {House} house
 * @param {Arrow} arrow
 * @returns {string | undefined}
 */
function problemOf(house, { from, to }) {
  const [knowing, known] = [roomOf(house, from), roomOf(house, to)]
  if (!knowing || !known || knowing.name === known.name || knowing.line < known.line) return undefined
  const why =
    knowing.line === known.line
      ? `${knowing.name} and ${known.name} are neighbours`
      : `${knowing.name} is below ${known.name}`
  return `${from} may not know ${to}: ${why}`
}

/**
 * Groups of files that know one another in circles, files of a pair counting as one.
 *
 * @param {Arrow[]} arrows
 * @param {Pair[]} pairs
 * @returns {string[][]} each circle as a way that ends where it begins
 */
function circlesOf(arrows, pairs) {
  /** @type {Map<string, string>} */
  const merged = new Map()
  const one = (/** @type {string} */ file) => {
    let name = file
    for (let next = merged.get(name); next !== undefined; next = merged.get(name)) name = next
    return name
  }
  for (const { files } of pairs) if (one(files[0]) !== one(files[1])) merged.set(one(files[0]), one(files[1]))
  /** @type {Map<string, Set<string>>} */
  const known = new Map()
  for (const { from, to } of arrows) {
    if (one(from) === one(to)) continue
    const targets = known.get(one(from)) ?? new Set()
    known.set(one(from), targets.add(one(to)))
  }
  /** @type {string[][]} */
  const circles = []
  const done = new Set()
  const visit = (/** @type {string} */ file, /** @type {string[]} */ way) => {
    const at = way.indexOf(file)
    if (at !== -1) {
      circles.push([...way.slice(at), file])
      return
    }
    if (done.has(file)) return
    for (const next of known.get(file) ?? []) visit(next, [...way, file])
    done.add(file)
  }
  for (const file of known.keys()) visit(file, [])
  return circles
}

/**
 * Everything that is wrong with the arrows of a house.
 *
 * @param {House} house
 * @param {Pair[]} pairs
 * @param {Arrow[]} arrows
 * @returns {string[]} one line each
 */
export function problemsOf(house, pairs, arrows) {
  const upward = arrows.map((arrow) => problemOf(house, arrow)).filter((problem) => problem !== undefined)
  const circles = circlesOf(arrows, pairs).map((circle) => `a circle: ${circle.join(' → ')}`)
  const needless = pairs
    .filter(({ files: [one, other] }) => {
      const knows = (/** @type {string} */ from, /** @type {string} */ to) =>
        arrows.some((arrow) => arrow.from === from && arrow.to === to)
      return !knows(one, other) || !knows(other, one)
    })
    .map(({ files }) => `${files.join(' and ')} do not know each other any more: take the pair out of the table`)
  return [...upward, ...circles, ...needless]
}
