// How long calls of Python take, in microseconds, as JavaScript sees it.
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as wait } from 'node:timers/promises'

function check(value) {
  if (value !== 1) {
    throw new Error(`a call of 1 gave ${String(value)}`)
  }
}

function median(times) {
  const sorted = Float64Array.from(times).toSorted()
  return sorted[sorted.length >> 1]
}

/**
 * The median of calls one at a time, of what it gives to `look`.
 *
 * @param make makes the argument, which is not timed
 */
export async function oneAtATime(call, milliseconds, look = check, make = () => 1) {
  const times = []
  const end = performance.now() + milliseconds
  while (performance.now() < end) {
    const argument = make()
    const begun = performance.now()
    const result = await call(argument)
    times.push(performance.now() - begun)
    look(result)
  }
  return median(times) * 1000
}

/** What each call costs while so many are under way. */
export async function manyAtATime(call, count, milliseconds) {
  let calls = 0
  const begun = performance.now()
  const end = begun + milliseconds
  const lane = async () => {
    while (performance.now() < end) {
      check(await call(1))
      calls++
    }
  }
  await Promise.all(Array.from({ length: count }, lane))
  return ((performance.now() - begun) * 1000) / calls
}

/** The same by the order of the harness. */
export const timed = (call, { atATime, milliseconds }) =>
  atATime === 1 ? oneAtATime(call, milliseconds) : manyAtATime(call, atATime, milliseconds)

/**
 * The event loop's delay while Python computes, or does not: the 99th percentile, in milliseconds. The least is the step of
 * the clock that looks.
 *
 * @param {((seconds: number) => Promise<unknown>) | undefined} compute
 * @param {((value: number) => unknown) | undefined} call is made all the while, every 5 ms
 */
export async function loopDelay(compute, call, milliseconds) {
  const delay = monitorEventLoopDelay({ resolution: 1 })
  const calls = []
  const timer = call && setInterval(() => calls.push(call(1)), 5)
  delay.enable()
  // From a turn of the loop that the histogram sees: what blocks blocks from here on.
  await wait(20)
  await (compute?.(milliseconds / 1000) ?? wait(milliseconds))
  await wait(20)
  delay.disable()
  clearInterval(timer)
  await Promise.all(calls)
  return delay.percentile(99) / 1e6
}
