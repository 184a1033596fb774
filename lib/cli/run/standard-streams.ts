// Standard streams that Python and Node.js share.

/** The handle behind a stream of Node.js, where it is a pipe, a socket or a terminal. */
interface WithHandle {
  _handle?: { setBlocking?: (blocking: boolean) => void } | null
}

/**
 * Keeps stdout and stderr blocking when JavaScript uses them. Node.js makes a pipe non-blocking at its first use, and
 * with it the end that Python writes to, whose output would be lost as soon as the pipe is full.
 */
export function shareStandardStreams(): void {
  for (const name of ['stdout', 'stderr'] as const) {
    const property = Object.getOwnPropertyDescriptor(process, name)
    if (!property?.get || !property.configurable) continue
    Object.defineProperty(process, name, {
      ...property,
      get() {
        Object.defineProperty(process, name, property)
        const stream = process[name]
        ;(stream as WithHandle)._handle?.setBlocking?.(true)
        return stream
      },
    })
  }
}
