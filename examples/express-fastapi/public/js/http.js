/**
 * One exchange with the server, timed from the call to the last byte.
 * @typedef {{ status: number, statusText: string, ms: number, text: string, json: any }} Answer
 */

/**
 * @param {string} json the body, if any: sent as it is
 * @returns {Promise<Answer>} rejects only when no response came at all
 */
export async function send(method, target, json) {
  const init = { method, cache: 'no-store' }
  if (json !== undefined) Object.assign(init, { headers: { 'content-type': 'application/json' }, body: json })
  const started = performance.now()
  const response = await fetch(target, init)
  const text = await response.text()
  return answer(response.status, response.statusText, performance.now() - started, text)
}

export function answer(status, statusText, ms, text) {
  return { status, statusText, ms, text, json: parse(text) }
}

function parse(text) {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

export function formatMs(ms) {
  return ms < 10 ? `${ms.toFixed(1)} ms` : `${Math.round(ms)} ms`
}

export function formatBytes(bytes) {
  return bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`
}
