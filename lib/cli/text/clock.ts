// Times and durations as text.

/** The text of the last second that was asked for: lines come in crowds. */
class Cache {
  readonly #format: (date: Date) => string
  #second = -1
  #text = ''

  constructor(format: (date: Date) => string) {
    this.#format = format
  }

  get(now: number): string {
    const second = Math.floor(now / 1000)
    if (second !== this.#second) {
      this.#second = second
      this.#text = this.#format(new Date(now))
    }
    return this.#text
  }
}

const two = (value: number): string => String(value).padStart(2, '0')

const timeOfDay = new Cache((date) => `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`)

const dateAndTime = new Cache(
  (date) => `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${timeOfDay.get(date.getTime())}`,
)

const isoSecond = new Cache((date) => date.toISOString().slice(0, 20))

/** `12:04:31`, as it is here. */
export function formatTimeOfDay(now: number): string {
  return timeOfDay.get(now)
}

/** `2026-11-21 12:04:31`, as it is here. */
export function formatDateAndTime(now: number): string {
  return dateAndTime.get(now)
}

/** ISO 8601 in UTC: `2026-11-21T11:04:31.123Z`. */
export function formatIsoTime(now: number): string {
  return `${isoSecond.get(now)}${String(now % 1000).padStart(3, '0')}Z`
}

/** `0.4 ms`, `12 ms`, `1.3 s`, `75 s`. */
export function formatDuration(milliseconds: number): string {
  if (milliseconds < 9.95) return `${milliseconds.toFixed(1)} ms`
  if (milliseconds < 999.5) return `${milliseconds.toFixed(0)} ms`
  return `${(milliseconds / 1000).toFixed(milliseconds < 9950 ? 1 : 0)} s`
}
