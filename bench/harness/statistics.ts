/** A measured quantity: its median, and the quartiles as its spread. */
export interface Spread {
  readonly median: number
  readonly low: number
  readonly high: number
  readonly samples: number
}

/** Summarises samples; undefined when there are none. */
export function spreadOf(samples: readonly number[]): Spread | undefined {
  if (samples.length === 0) {
    return undefined
  }
  const sorted = samples.toSorted((a, b) => a - b)
  return {
    median: quantile(sorted, 0.5),
    low: quantile(sorted, 0.25),
    high: quantile(sorted, 0.75),
    samples: sorted.length,
  }
}

function quantile(sorted: readonly number[], at: number): number {
  const position = (sorted.length - 1) * at
  const below = sorted[Math.floor(position)] ?? Number.NaN
  const above = sorted[Math.ceil(position)] ?? Number.NaN
  return below + (above - below) * (position - Math.floor(position))
}

/**
 * Combines two contestants round by round, for drift of the machine cancels only within a round.
 * A round that either of them lacks does not count.
 */
export function perRound(
  left: readonly (number | undefined)[],
  right: readonly (number | undefined)[],
  combine: (left: number, right: number) => number,
): number[] {
  const combined: number[] = []
  for (const [round, value] of left.entries()) {
    const other = right[round]
    if (value !== undefined && other !== undefined) {
      combined.push(combine(value, other))
    }
  }
  return combined
}
