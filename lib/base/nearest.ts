// Which word was probably meant.

/** How many letters must be inserted, deleted, replaced or swapped with their neighbour to get from one word to another. */
function distance(from: string, to: string): number {
  let beforeLast: number[] = []
  let last = Array.from({ length: to.length + 1 }, (_, index) => index)
  for (let i = 1; i <= from.length; i++) {
    const row = [i]
    for (let j = 1; j <= to.length; j++) {
      const same = from[i - 1] === to[j - 1]
      const swapped = i > 1 && j > 1 && from[i - 1] === to[j - 2] && from[i - 2] === to[j - 1]
      row[j] = Math.min(
        (last[j] ?? 0) + 1,
        (row[j - 1] ?? 0) + 1,
        (last[j - 1] ?? 0) + (same ? 0 : 1),
        swapped ? (beforeLast[j - 2] ?? 0) + 1 : Infinity,
      )
    }
    ;[beforeLast, last] = [last, row]
  }
  return last[to.length] ?? 0
}

/**
 * The word that was probably meant; undefined when none is near.
 *
 * @param limit how far it may be away
 */
export function nearest(
  word: string,
  known: readonly string[],
  limit = Math.max(2, Math.floor(word.length / 3)),
): string | undefined {
  const ranked = known
    .map((candidate) => ({ candidate, away: distance(word, candidate) }))
    .toSorted((one, other) => one.away - other.away)
  const best = ranked[0]
  return best && best.away <= limit ? best.candidate : undefined
}

/** Letters alone: `app_dir` and `app-dir` are `appDir` of other languages. */
function bare(word: string): string {
  return word.replaceAll(/[-_]/g, '').toLowerCase()
}

/**
 * What is said of an option that nobody knows: which one was probably meant, or all there are.
 *
 * @param of whose option it is: ` of attach`
 */
export function unknownOption(name: string, known: readonly string[], of = ''): string {
  const close = nearestOption(name, known)
  const remedy = close === undefined ? `The options are ${known.join(', ')}.` : `Did you mean ${close}?`
  return `There is no option ${name}${of}. ${remedy}`
}

/** The option that was probably meant, however its words are joined; undefined where none is near. */
export function nearestOption(name: string, known: readonly string[]): string | undefined {
  const word = bare(name)
  // Of a short word little would be left.
  const limit = Math.min(Math.max(2, Math.floor(word.length / 3)), Math.floor(word.length / 2))
  const close = nearest(word, known.map(bare), limit)
  return known.find((option) => bare(option) === close)
}
