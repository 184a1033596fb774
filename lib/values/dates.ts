// Which moments Python's datetime can have: the years 1 to 9999.

const FIRST = -62_135_596_800_000
const LAST = 253_402_300_799_999

/** False also for NaN, the time of an invalid Date. */
export function isPythonDate(milliseconds: number): boolean {
  return milliseconds >= FIRST && milliseconds <= LAST
}
