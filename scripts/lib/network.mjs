import { Problem } from './problem.mjs'

const unreachable =
  /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|Temporary failure in name resolution|NewConnectionError|ConnectTimeoutError|ReadTimeout|Max retries exceeded|Could not resolve host|Could not connect to server|failed to connect to|network failure|spurious network error|SSLError|from versions: none|CERTIFICATE_VERIFY_FAILED|self[- ]signed certificate/i

/**
 * Tells a network that is down from anything else that can go wrong while packages are fetched.
 *
 * @param {string} tool the command that failed
 * @param {string} output what it printed
 * @returns {Problem}
 */
export function fetchProblem(tool, output) {
  const symptom = unreachable.exec(output)
  if (symptom) {
    return new Problem(
      `${tool} could not reach its package index (${symptom[0]})`,
      'check the network, and the proxy or mirror it is configured with, then run the same command again; what is already done is kept',
    )
  }
  return new Problem(`${tool} failed`, 'its own message is above')
}
