/** The commands that ask a service. */
import { ask, Failure, linesOf, told, type Told } from './client.js'
import { filesOf, nameOf } from './folder.js'

export type Values = Record<string, string | boolean | (string | boolean)[] | undefined>

const print = (line: string) => process.stdout.write(`${line}\n`)
const tell = (line: string) => process.stderr.write(`${line}\n`)

interface Described {
  id: string
  name: string
  runtime: string
  state: string
  version: number
  instances: { running: number; stopped: number }
  events: { waiting: number; leased: number }
}

const number = (values: Values, name: string): Record<string, number> => {
  const value = values[name]
  if (value === undefined) return {}
  if (!Number.isFinite(Number(value))) throw new Failure(`--${name} is to be a number`)
  return { [name.replace(/-./g, (dash) => dash[1]!.toUpperCase())]: Number(value) }
}

function environmentOf(pairs: unknown): Record<string, string> {
  return Object.fromEntries(
    ((pairs ?? []) as string[]).map((pair) => {
      const at = pair.indexOf('=')
      if (at < 1) throw new Failure(`--env ${pair} is to be NAME=value`)
      return [pair.slice(0, at), pair.slice(at + 1)]
    }),
  )
}

export async function deploy([folder = '.']: string[], values: Values): Promise<void> {
  const files = await filesOf(folder)
  const runtime = values.runtime ?? (Object.keys(files).some((name) => name.endsWith('.py')) ? 'python' : 'node')
  const body = {
    name: values.name ?? nameOf(folder),
    runtime,
    handler: values.handler ?? (runtime === 'python' ? 'main.handler' : 'index.handler'),
    environment: environmentOf(values.env),
    network: values.network === true,
    ...Object.assign(
      {},
      ...['memory', 'timeout', 'cpus', 'slots', 'min-replicas', 'max-replicas'].map((name) => number(values, name)),
    ),
    replace: true,
    files,
  }
  const response = await ask('POST', '/yafaas/functions', body, { accept: 'application/x-ndjson' })
  if ((response.statusCode ?? 500) >= 400) await told(response)
  let deployed: Described | undefined
  for await (const line of linesOf<Told & { progress?: string; function?: Described }>(response)) {
    if (line.progress) tell(`  ${line.progress}`)
    if (line.error) throw new Failure([line.error.message, line.error.log].filter(Boolean).join('\n'))
    deployed = line.function ?? deployed
  }
  if (!deployed) throw new Failure('the service ended while it built the function; its log says how')
  print(`${deployed.name} (${deployed.runtime}) is ready, version ${deployed.version}`)
}

export async function invoke([name, payload = 'null']: string[], values: Values): Promise<void> {
  if (!name) throw new Failure('which function? amphis-functions invoke NAME [JSON]')
  let parsed: unknown
  try {
    parsed = JSON.parse(payload)
  } catch {
    throw new Failure(`${payload} is no JSON`)
  }
  const response = await ask('POST', `/yafaas/events${values.async === true ? '?async=1' : ''}`, {
    function: name,
    payload: parsed,
  })
  if (response.statusCode === 502) {
    const { error } = JSON.parse(await textOfAll(response)) as {
      error: { errorType: string; errorMessage: string; stackTrace: string[] }
    }
    throw new Failure([`${error.errorType}: ${error.errorMessage}`, ...error.stackTrace].join('\n'))
  }
  const answer = await told<{ id: string; result?: unknown }>(response)
  print(values.async === true ? answer.id : JSON.stringify(answer.result, undefined, 2))
}

async function textOfAll(response: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of response) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}

export async function logs([name]: string[], values: Values): Promise<void> {
  if (!name) throw new Failure('of which function? amphis-functions logs NAME [-f]')
  const follow = values.follow === true ? '&follow=1' : ''
  const response = await ask(
    'GET',
    `/yafaas/functions/${encodeURIComponent(name)}/logs?tail=${Number(values.tail ?? 100)}${follow}`,
  )
  if ((response.statusCode ?? 500) >= 400) await told(response)
  for await (const { time, stream, requestId, text } of linesOf<{
    time: number
    stream: string
    requestId: string
    text: string
  }>(response)) {
    // What functions print may hold orders for terminals.
    // eslint-disable-next-line no-control-regex
    const safe = text.replace(/[\u0000-\u0008\u000B-\u001F\u007F-\u009F]/g, '�')
    print(`${new Date(time).toISOString()} ${requestId.slice(0, 8).padEnd(8)} ${stream.padEnd(6)} ${safe}`)
  }
}

export async function list(): Promise<void> {
  const { functions } = await told<{ functions: Described[] }>(await ask('GET', '/yafaas/functions'))
  const rows = functions.map(({ name, runtime, state, version, instances, events }) => [
    name,
    runtime,
    state,
    String(version),
    String(instances.running),
    String(events.waiting + events.leased),
  ])
  const table = [['NAME', 'RUNTIME', 'STATE', 'VERSION', 'RUNNING', 'EVENTS'], ...rows]
  for (const row of table)
    print(
      row
        .map((cell, index) => cell.padEnd(Math.max(...table.map((other) => other[index]!.length))))
        .join('  ')
        .trimEnd(),
    )
}

export async function remove([name]: string[]): Promise<void> {
  if (!name) throw new Failure('which function? amphis-functions rm NAME')
  await told(await ask('DELETE', `/yafaas/functions/${encodeURIComponent(name)}`))
  print(`${name} is removed`)
}
