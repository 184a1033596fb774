/** The listener that users have: functions, events, logs, and the page. */
import { once } from 'node:events'
import { createReadStream } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { MAX_EVENT } from './events.js'
import { bearerOf, clientSignal, parseJson, readBody, sendJson, type Handler } from './http.js'
import type { Keys } from './keys.js'
import { ProblemError } from './problem.js'
import type { Outcome } from './queue.js'
import type { Service } from './service.js'
import type { FunctionRecord, LogLine } from './types.js'
import { readUpload } from './upload.js'

/** The page is files, and has no data: what it shows it asks for with a key. */
const PAGES = new Map([
  ['/', ['index.html', 'text/html; charset=utf-8']],
  ['/page.js', ['page.js', 'text/javascript; charset=utf-8']],
  ['/page.css', ['page.css', 'text/css; charset=utf-8']],
] as const)

export interface ApiOptions {
  service: Service
  keys: Keys
  pages: string
}

export function apiHandler({ service, keys, pages }: ApiOptions): Handler {
  return async (req, res, url) => {
    const { method = '', headers } = req
    const page = (PAGES as Map<string, readonly [string, string]>).get(url.pathname)
    if (page && method === 'GET') return sendPage(res, join(pages, page[0]), page[1])
    if (!keys.has(bearerOf(req))) {
      res.setHeader('www-authenticate', 'Bearer')
      throw new ProblemError(
        401,
        'key',
        headers.authorization ? 'the key is none of this service' : 'give a key: Authorization: Bearer …',
      )
    }
    const [root, kind, id, part, ...rest] = url.pathname.slice(1).split('/').map(decode)
    const route =
      root === 'yafaas' && rest.length === 0 ? [method, kind, id && ':id', part].filter(Boolean).join(' ') : ''
    switch (route) {
      case 'POST functions':
        return deploy(service, req, res)
      case 'GET functions':
        return sendJson(res, 200, {
          functions: await Promise.all((await service.store.all()).map((record) => described(service, record))),
        })
      case 'GET functions :id':
        return describe(service, await service.find(id!), res)
      case 'DELETE functions :id':
        await service.remove(await service.find(id!))
        return void res.writeHead(204).end()
      case 'GET functions :id logs':
        return streamLogs(service, await service.find(id!), url, res)
      case 'GET functions :id dead-letters':
        return sendJson(res, 200, { deadLetters: await service.events.queue.deadLetters((await service.find(id!)).id) })
      case 'POST events':
        return invoke(service, req, res, url.searchParams.get('async') === '1')
      case 'GET events :id': {
        const outcome = await service.events.queue.outcome(id!)
        if (!outcome)
          throw new ProblemError(
            404,
            'no-event',
            `event ${JSON.stringify(id)} has no outcome: it is under way, unknown, or older than 15 minutes`,
          )
        return sendOutcome(res, 200, outcome)
      }
      default:
        throw new ProblemError(404, 'not-found', `there is no ${method} ${url.pathname}`)
    }
  }
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    throw new ProblemError(400, 'invalid', 'the path is not well encoded')
  }
}

async function sendPage(res: ServerResponse, file: string, type: string): Promise<void> {
  const stream = createReadStream(file)
  await once(stream, 'open')
  res.writeHead(200, {
    'content-type': type,
    'cache-control': 'no-cache',
    'content-security-policy': "default-src 'self'; frame-ancestors 'none'",
    'x-content-type-options': 'nosniff',
  })
  stream.pipe(res)
}

async function described(service: Service, record: FunctionRecord) {
  const { image: _image, ...rest } = record
  const [instances, depth] = await Promise.all([service.instances(record), service.events.queue.depth(record.id)])
  const running = instances.filter((instance) => instance.running).length
  return { ...rest, instances: { running, stopped: instances.length - running }, events: depth }
}

async function describe(service: Service, record: FunctionRecord, res: ServerResponse): Promise<void> {
  const logs: LogLine[] = []
  for (const instance of await service.instances(record)) {
    for await (const line of service.engine.logs(instance.id, { tail: 200, follow: false, signal: clientSignal(res) }))
      logs.push(line)
  }
  sendJson(res, 200, {
    ...(await described(service, record)),
    logs: logs.toSorted((a, b) => a.time - b.time).slice(-200),
  })
}

/** A line of JSON each: progress as it comes where the client asks for it, and at last the function or the problem. */
async function deploy(service: Service, req: IncomingMessage, res: ServerResponse): Promise<void> {
  const { spec, code, replace } = await readUpload(req)
  if (!/\bapplication\/x-ndjson\b/.test(req.headers.accept ?? '')) {
    const record = await service.deploy(spec, code, replace, () => {})
    return sendJson(res, 201, await described(service, record))
  }
  const write = (value: unknown) => res.write(`${JSON.stringify(value)}\n`)
  res.writeHead(200, { 'content-type': 'application/x-ndjson' })
  try {
    const record = await service.deploy(spec, code, replace, (progress) => write({ progress }))
    write({ function: await described(service, record) })
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error
    write({ error: { code: error.code, message: error.message, ...error.details } })
  }
  res.end()
}

/** As text: what the function returned goes on as it came, with all digits of its numbers. */
function sendOutcome(res: ServerResponse, status: number, outcome: Outcome): void {
  const { queuedAt, endedAt, body, ...told } = outcome
  const head = JSON.stringify({ ...told, milliseconds: endedAt - queuedAt }).slice(0, -1)
  res.writeHead(status, { 'content-type': 'application/json' })
  res.end(`${head},"${told.status === 'ok' ? 'result' : 'error'}":${body}}\n`)
}

async function invoke(service: Service, req: IncomingMessage, res: ServerResponse, isAsync: boolean): Promise<void> {
  const input = parseJson((await readBody(req, MAX_EVENT)).toString())
  if (typeof input !== 'object' || input === null)
    throw new ProblemError(400, 'invalid', 'the body is to be { "function": …, "payload": … }')
  const { function: which, payload = null, id } = input as Record<string, unknown>
  if (typeof which !== 'string')
    throw new ProblemError(400, 'invalid', '"function" is to be the name or the id of a function')
  if (id !== undefined && (typeof id !== 'string' || !/^[\w-]{8,64}$/.test(id))) {
    throw new ProblemError(400, 'invalid', '"id" is to have 8 to 64 letters, digits, dashes')
  }
  const record = await service.find(which)
  if (record.state !== 'ready') throw new ProblemError(409, record.state, `${record.name} is ${record.state}`)
  const gone = clientSignal(res)
  const event = await service.events.submit(record, JSON.stringify(payload), isAsync ? 'async' : 'sync', id)
  service.use(record)
  if (isAsync) {
    event.watch.stop()
    return sendJson(res, 202, { id: event.id })
  }
  const left = new Promise<undefined>((resolve) => gone.addEventListener('abort', () => resolve(undefined)))
  const outcome = await Promise.race([event.watch.outcome, left])
  event.watch.stop()
  if (!outcome) return
  if (outcome.functionId !== record.id) {
    throw new ProblemError(409, 'id-taken', `the event ${event.id} is one of another function`)
  }
  sendOutcome(res, outcome.status === 'ok' ? 200 : 502, outcome)
}

async function streamLogs(service: Service, record: FunctionRecord, url: URL, res: ServerResponse): Promise<void> {
  const tail = Math.min(Number(url.searchParams.get('tail') ?? 100) || 0, 10_000)
  const follow = url.searchParams.get('follow') === '1'
  const signal = clientSignal(res)
  res.writeHead(200, { 'content-type': 'application/x-ndjson' })
  res.flushHeaders()
  // One listener for all who wait: there may be many instances, and many lines.
  let drained: Promise<unknown> | undefined
  const read = async (instance: string) => {
    for await (const line of service.engine.logs(instance, { tail, follow, signal })) {
      if (res.write(`${JSON.stringify(line)}\n`)) continue
      drained ??= once(res, 'drain', { signal })
        // The client has left.
        .catch(() => {})
        .finally(() => (drained = undefined))
      await drained
    }
  }
  if (!follow) {
    for (const { id } of await service.instances(record)) await read(id)
    return void res.end()
  }
  // Instances come while it is followed.
  const reading = new Set<string>()
  while (!signal.aborted && (await service.store.find(record.id))) {
    for (const { id } of await service.instances(record)) {
      if (reading.has(id)) continue
      reading.add(id)
      read(id)
        .catch(() => {})
        .finally(() => reading.delete(id))
    }
    await sleep(1_000, undefined, { signal }).catch(() => {})
  }
  res.end()
}
