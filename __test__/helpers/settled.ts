/** The value of something that has stopped changing: nobody tells when a kernel's buffers are full. */
export async function settled<T>(read: () => Promise<T>): Promise<T> {
  let value = await read()
  for (let same = 0; same < 20;) {
    await new Promise((resolve) => setTimeout(resolve, 5))
    const next = await read()
    same = next === value ? same + 1 : 0
    value = next
  }
  return value
}

/** The value once it is the expected one, or what it still is after half a minute. */
export async function becomes<T>(expected: T, read: () => T | Promise<T>): Promise<T> {
  const end = Date.now() + 30_000
  let value = await read()
  while (value !== expected && Date.now() < end) {
    await new Promise((resolve) => setTimeout(resolve, 5))
    value = await read()
  }
  return value
}
