// The API, as the page uses it: by fetch, streams too, so that the key is in a header and never in an address.

let key = ''

export const setKey = (text) => (key = text)

export class ApiError extends Error {
  constructor(status, { code, message }) {
    super(message)
    this.status = status
    this.code = code
  }
}

function send(method, path, value, more = {}) {
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json', ...more }
  const body = value === undefined ? null : JSON.stringify(value)
  return fetch(path, { method, headers, body })
}

async function refused(response) {
  const { error } = await response.json().catch(() => ({ error: { code: 'unknown', message: response.statusText } }))
  return new ApiError(response.status, error)
}

export async function call(method, path, body) {
  const response = await send(method, path, body)
  if (!response.ok) throw await refused(response)
  return response.json()
}

/** The events of a turn. A connection that breaks is taken up again where it was. */
export async function* events(method, path, body) {
  let last
  for (let tries = 0; ; tries++) {
    try {
      const more = { accept: 'text/event-stream', ...(last ? { 'last-event-id': last } : {}) }
      const response = await send(method, path, body, more)
      if (!response.ok) throw await refused(response)
      for await (const event of parse(response.body)) {
        last = event.id
        tries = 0
        yield event
        if (event.type === 'done') return
      }
      throw new Error('the stream has ended early')
    } catch (error) {
      if (error instanceof ApiError || last === undefined || tries >= 3) throw error
    }
  }
}

/** @param {ReadableStream<Uint8Array>} stream of Server-Sent Events */
async function* parse(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader()
  let text = ''
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return
    text += value
    for (;;) {
      const end = text.indexOf('\n\n')
      if (end < 0) break
      const fields = Object.fromEntries(
        text
          .slice(0, end)
          .split('\n')
          .map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]),
      )
      text = text.slice(end + 2)
      if (fields.data) yield { id: fields.id, type: fields.event, data: JSON.parse(fields.data) }
    }
  }
}
