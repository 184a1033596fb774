// `Expect: 100-continue`: whether a client waits, and the word that it waits for.
import type { IncomingMessage, ServerResponse } from 'node:http'
import { rawHeader } from '../wire/host-headers.js'
import { isGone, isHttp2 } from '../wire/http2-response.js'

const CONTINUE = /(?:^|\W)100-continue(?:$|\W)/i

/** Node's own note that it has sent the interim response; the reason why it closes when it has not. */
interface InterimResponse extends ServerResponse {
  _sent100?: boolean
  _expect_continue?: boolean
}

/**
 * Whether the client holds its body back until a `100 Continue`. Node sends one by itself unless the server has a
 * listener for 'checkContinue', which then gets the request.
 */
export function awaitsContinue(request: IncomingMessage, response: ServerResponse): boolean {
  const expect = rawHeader(request, 'expect')
  if (expect === undefined || request.httpVersion === '1.0' || !CONTINUE.test(expect) || response.headersSent) {
    return false
  }
  if (isHttp2(response)) {
    return !(response.stream.sentInfoHeaders ?? []).some((sent) => sent[':status'] === 100)
  }
  return (response as InterimResponse)._sent100 !== true
}

/**
 * A client that has sent its body without waiting has nothing more to be asked for. Node closes the connection behind an
 * answer to one that may still wait.
 */
export function stopExpecting(response: InterimResponse, isWhole: boolean): void {
  if (response._expect_continue === true && isWhole) {
    response._expect_continue = false
  }
}

/** Asks the client for its body, unless there is nobody left to ask. */
export function sendContinue(response: ServerResponse): void {
  if (!response.headersSent && !isGone(response) && !response.writableEnded) {
    response.writeContinue()
  }
}
