// Which request or WebSocket an error has failed.
import { subscribe } from 'node:diagnostics_channel'
import type { Observation } from '../../diagnostics.js'
import { oneLine } from '../text/control-characters.js'

const ORIGINS = new WeakMap<object, Observation>()

/** From now on it is known of an app's error which request or WebSocket it has failed. */
export function noteOrigins(): void {
  subscribe('amphis:request:error', note)
  subscribe('amphis:websocket:error', note)
}

function note(message: unknown): void {
  const observation = message as Observation
  if (typeof observation.error === 'object' && observation.error !== null) {
    ORIGINS.set(observation.error, observation)
  }
}

export function originOf(error: object): Observation | undefined {
  return ORIGINS.get(error)
}

/** `GET /path`, or `WS /path` for a WebSocket. */
export function nameOf(observation: Observation): string {
  return oneLine(`${'response' in observation ? observation.method : 'WS'} ${observation.url}`)
}
