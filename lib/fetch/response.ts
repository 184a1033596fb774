// What the app has answered as a `Response`.
import { ConversionError } from '../base/errors.js'
import type { ResponseBody } from '../handle/response-body.js'
import { hopByHop } from '../wire/hop-by-hop.js'

/** The fetch standard's "null body status", as far as apps can send them. */
const WITHOUT_BODY = new Set([204, 205, 304])

/** How long an app may go on with a body that nobody can read or give up, in milliseconds. */
const UNHEARD = 5_000

/** Makes the response to a request of this method. */
export function responseTo(
  method: string,
  status: number,
  rawHeaders: readonly string[],
  body: ResponseBody,
): Response {
  if (status > 599) {
    throw new ConversionError(
      'status',
      `The app has answered with the status ${status}, which no Response can have: it ends at 599. ` +
        'Let the app send another, or use python.handle or python.listener.',
    )
  }
  const headers = fieldsOf(rawHeaders, status)
  if (method === 'HEAD' || WITHOUT_BODY.has(status)) {
    letRun(body)
    return new Response(null, { status, headers })
  }
  const content = body.takeWhole() ?? streamOf(body)
  return new Response(content, { status, headers })
}

/** Plainly, by which servers write them as they are; as pairs where one came twice. */
function fieldsOf(raw: readonly string[], status: number): Record<string, string> | [string, string][] {
  const options: string[] = []
  for (let at = 0; at < raw.length; at += 2) {
    if (raw[at]!.toLowerCase() === 'connection') {
      options.push(raw[at + 1]!)
    }
  }
  const isHopByHop = hopByHop(options.join(','))
  const fields: [string, string][] = []
  const byName = Object.create(null) as Record<string, string>
  let isPlain = true
  for (let at = 0; at < raw.length; at += 2) {
    const name = raw[at]!.toLowerCase()
    if (!isHopByHop(name) && !(status === 205 && name === 'content-length')) {
      isPlain &&= !(name in byName)
      byName[name] = raw[at + 1]!
      fields.push([name, raw[at + 1]!])
    }
  }
  return isPlain ? byName : fields
}

/** Nothing is taken from the app before somebody reads. */
function streamOf(body: ResponseBody): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { done, value } = await body.next()
        if (done === true) {
          controller.close()
        } else {
          controller.enqueue(value)
        }
      },
      async cancel() {
        await body.return()
      },
    },
    { highWaterMark: 0 },
  )
}

/** Lets an app end a response whose body is for nobody; one that never does is told that its client has left. */
function letRun(body: ResponseBody): void {
  if (body.takeWhole() !== undefined) {
    return
  }
  const timer = setTimeout(() => {
    void body.return()
  }, UNHEARD).unref()
  const readAll = async (): Promise<void> => {
    for (;;) {
      if ((await body.next()).done === true) {
        return
      }
    }
  }
  // What the app fails with is logged.
  readAll()
    .catch(() => {})
    .finally(() => clearTimeout(timer))
}
