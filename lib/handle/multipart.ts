// `FormData` as `multipart/form-data`, as fetch writes it (RFC 7578; the HTML standard's "multipart form data").
import { randomUUID } from 'node:crypto'
import { piecesOf, type BlobLike, type HandleBody } from './pieces.js'

/** A form as a body. Its files are read while it is sent. */
export function encodeForm(form: { entries(): Iterable<[string, string | BlobLike]> }): HandleBody {
  const boundary = `----amphis-${randomUUID()}`
  // At once: the form is the caller's, who may go on with it.
  const entries = [...form.entries()]
  return { stream: parts(entries, boundary), type: `multipart/form-data; boundary=${boundary}` }
}

async function* parts(entries: readonly [string, string | BlobLike][], boundary: string): AsyncIterable<unknown> {
  for (const [name, value] of entries) {
    const head = `--${boundary}\r\nContent-Disposition: form-data; name="${quoted(inLines(name))}"`
    if (typeof value === 'string') {
      yield `${head}\r\n\r\n${inLines(value)}\r\n`
    } else {
      const type = value.type === '' ? 'application/octet-stream' : value.type
      yield `${head}; filename="${quoted(value.name ?? 'blob')}"\r\nContent-Type: ${type}\r\n\r\n`
      yield* piecesOf(value.stream())
      yield '\r\n'
    }
  }
  yield `--${boundary}--\r\n`
}

/** Every line break as CR and LF. */
function inLines(text: string): string {
  return text.replaceAll(/\r\n|\r|\n/g, '\r\n')
}

function quoted(text: string): string {
  return text.replaceAll('\n', '%0A').replaceAll('\r', '%0D').replaceAll('"', '%22')
}
