/**
 * A folder, or a file that stands beside the folders; without its extension.
 *
 * @typedef {object} Room
 * @property {string} name
 * @property {string} what who lives there
 */

/**
 * Lines of rooms, the upper one first. A room may know the rooms of the lines below its own; never one above, and not
 * its neighbours of the same line.
 *
 * @typedef {Room[][]} House
 */

/**
 * Two files of one room that know each other because they are one machine.
 *
 * @typedef {object} Pair
 * @property {[string, string]} files
 * @property {string} why
 */

/** @type {Record<'lib' | 'src', House>} */
export const houses = {
  lib: [],
  src: [],
}

/** @type {Record<'lib' | 'src', Pair[]>} */
export const pairs = {
  lib: [],
  src: [],
}
