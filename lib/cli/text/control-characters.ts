// Takes the harm out of other people's texts.

// What a terminal may take for an order, and what would begin a line of its own: C0, DEL and C1.
const ANY = /\p{Cc}/u
const ALL = /\p{Cc}/gu
const ALL_BUT_LAYOUT = /[^\P{Cc}\n\t]/gu

function escape(character: string): string {
  return `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`
}

/** A text of somebody else's on one line, with control characters as `\x1b`. */
export function oneLine(text: string): string {
  return ANY.test(text) ? text.replace(ALL, escape) : text
}

/** The same, but it may have lines and tabs. */
export function harmless(text: string): string {
  return text.replace(ALL_BUT_LAYOUT, escape)
}
