// The 500 of Starlette that gives way to the page of an error.

/** What Starlette answers before it raises on; an answer that somebody has thought of looks different. */
const TEXT = 'Internal Server Error'

/**
 * Whether a whole response is the bare 500 that Starlette sends for an exception which it then raises on. With `debug`
 * it is held back until that has come.
 */
export function isBareError(status: number, headers: readonly string[], body: string | Buffer, end: boolean): boolean {
  if (status !== 500 || !end || typeof body !== 'string' || (body !== TEXT && body !== '')) {
    return false
  }
  let isPlain = false
  let hasLength = false
  for (let at = 0; at < headers.length; at += 2) {
    const name = headers[at]!.toLowerCase()
    isPlain ||= name === 'content-type' && headers[at + 1]!.startsWith('text/plain')
    hasLength ||= name === 'content-length' && headers[at + 1] === String(TEXT.length)
  }
  return isPlain && hasLength
}
