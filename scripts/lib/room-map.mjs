/** @typedef {import('./rooms.mjs').House} House */

/**
 * The map of the rooms for docs/internals/rooms.md: a heading for each house, below it a line for each line of rooms, the upper
 * one first.
 *
 * @param {Readonly<Record<string, House>>} houses by their folder
 * @returns {string} Markdown, as prettier would write it; empty where no room is listed
 */
export function roomMap(houses) {
  return Object.entries(houses)
    .filter(([, lines]) => lines.length > 0)
    .map(([folder, lines]) => `### \`${folder}/\`\n\n${lines.map(lineOf).join('\n')}`)
    .join('\n\n')
}

/** @type {(rooms: House[number], index: number) => string} */
const lineOf = (rooms, index) => `${index + 1}. ${rooms.map(({ name, what }) => `**\`${name}\`** ${what}`).join(' · ')}`
