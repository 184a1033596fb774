import { callInProcess } from './in-process.js'

/**
 * Lets the harness call a plain function that returns the body: peers that know no requests.
 *
 * @param {() => string | Promise<string>} call
 */
export function callPlainFunction(call) {
  callInProcess(async () => ({ status: 200, contentType: () => 'text/plain', body: Buffer.from(await call()) }))
}
