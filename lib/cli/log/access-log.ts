// A line for each request and each WebSocket.
import { subscribe } from 'node:diagnostics_channel'
import type { RequestObservation, WebSocketObservation } from '../../diagnostics.js'
import { formatDuration, formatIsoTime } from '../text/clock.js'
import { oneLine } from '../text/control-characters.js'
import { toShowable } from './json-format.js'
import type { Log } from './log.js'
import type { TextFormat } from './text-format.js'

/** How requests and WebSockets become lines. */
interface AccessFormat {
  request(observation: RequestObservation): string
  opened(observation: WebSocketObservation): string
  ended(observation: WebSocketObservation): string
}

/** From now on each request of an app makes a line, and each WebSocket one when it is opened and one at its end. */
export function logAccess(log: Log): void {
  const format = log.text === undefined ? jsonFormat : textFormat(log.text)
  subscribe('amphis:request:end', (message) => log.print(format.request(message as RequestObservation)))
  subscribe('amphis:websocket:open', (message) => log.print(format.opened(message as WebSocketObservation)))
  subscribe('amphis:websocket:end', (message) => log.print(format.ended(message as WebSocketObservation)))
}

/** What nginx calls a request whose client left before it was answered. */
const CLIENT_CLOSED_REQUEST = 499

/** An open WebSocket was closed as it should: what was to be said is said, one side goes away, no code was given. */
const GOOD_CODES: ReadonlySet<number | undefined> = new Set([1000, 1001, 1005])

function durationOf({ startedAt, endedAt = startedAt }: RequestObservation | WebSocketObservation): number {
  return endedAt - startedAt
}

function textFormat(text: TextFormat): AccessFormat {
  const { dim, red, yellow, cyan, green } = text.styles
  const statuses = new Map<number, string>()
  const styledStatus = (status: number): string => {
    let styled = statuses.get(status)
    if (styled === undefined) {
      const style = [dim, dim, green, cyan, yellow, red][Math.floor(status / 100)] ?? red
      styled = style(String(status))
      statuses.set(status, styled)
    }
    return styled
  }
  const clientLeft = yellow('client left')
  const cutOff = red('cut off')

  const line = (
    method: string,
    { url, client }: RequestObservation | WebSocketObservation,
    outcome: string,
    time: string,
  ): string =>
    `${text.time()} ${method} ${oneLine(url)} ${outcome} ${dim(client === undefined ? time : `${time} ${oneLine(client[0])}`)}`

  return {
    request(observation) {
      const { method, status, outcome } = observation
      const duration = formatDuration(durationOf(observation))
      if (outcome === 'complete') return line(method, observation, styledStatus(status!), `in ${duration}`)
      const mark = outcome === 'cut-off' ? cutOff : clientLeft
      const said = status === undefined ? mark : `${styledStatus(status)} ${mark}`
      return line(method, observation, said, `after ${duration}`)
    },
    opened(observation) {
      return line(
        'WS',
        observation,
        green('open'),
        `in ${formatDuration(observation.openedAt! - observation.startedAt)}`,
      )
    },
    ended(observation) {
      const { code, status } = observation
      const duration = formatDuration(durationOf(observation))
      if (code !== undefined) {
        const closed = `closed ${code}`
        return line('WS', observation, GOOD_CODES.has(code) ? closed : yellow(closed), `after ${duration}`)
      }
      return status === undefined
        ? line('WS', observation, clientLeft, `after ${duration}`)
        : line('WS', observation, styledStatus(status), `in ${duration}`)
    },
  }
}

/** A tenth of a microsecond says no more. */
function rounded(milliseconds: number): number {
  return Math.round(milliseconds * 1000) / 1000
}

function member(key: string, value: string | number | undefined): string {
  if (value === undefined) return ''
  return typeof value === 'number' ? `,"${key}":${value}` : `,"${key}":${JSON.stringify(value)}`
}

/** Put together by hand, which is quicker than an object: it is made for each request. */
function jsonLine(
  observation: RequestObservation | WebSocketObservation,
  msg: string,
  outcome: Readonly<Record<string, string | number | undefined>>,
): string {
  const { method, url, client, request } = observation
  const mark = url.indexOf('?')
  const { 'user-agent': userAgent, 'x-request-id': requestId } = request.headers
  let json = `{"time":"${formatIsoTime(Date.now())}","level":"info","msg":"${msg}"`
  json += member('method', method) + member('path', mark === -1 ? url : url.slice(0, mark))
  if (mark !== -1) json += member('query', url.slice(mark + 1))
  for (const key in outcome) json += member(key, outcome[key])
  json += member('client', client?.[0]) + member('http_version', request.httpVersion)
  json += member('user_agent', userAgent) + member('request_id', requestId?.toString()) + member('pid', process.pid)
  return toShowable(`${json}}`)
}

const jsonFormat: AccessFormat = {
  request(observation) {
    const { status = CLIENT_CLOSED_REQUEST, outcome, bodyBytes } = observation
    const duration = rounded(durationOf(observation))
    return jsonLine(observation, 'request', { status, outcome, duration_ms: duration, bytes: bodyBytes })
  },
  opened(observation) {
    const { startedAt, openedAt = startedAt, subprotocol } = observation
    return jsonLine(observation, 'websocket open', {
      duration_ms: rounded(openedAt - startedAt),
      subprotocol: subprotocol === '' ? undefined : subprotocol,
    })
  },
  ended(observation) {
    const { code, reason, status } = observation
    const duration = rounded(durationOf(observation))
    return code === undefined
      ? jsonLine(observation, 'websocket refused', { status: status ?? CLIENT_CLOSED_REQUEST, duration_ms: duration })
      : jsonLine(observation, 'websocket closed', {
          code,
          reason: reason === '' ? undefined : reason,
          duration_ms: duration,
        })
  },
}
