// The options that Node.js' own servers take: it ignores what it does not know, and so a mistake in a name.
import { nearestOption } from '../base/nearest.js'

/** `node:net`, `node:http`, `node:https` with `node:tls`, `node:http2`, in this order. */
const OF_NODE =
  'allowHalfOpen pauseOnConnect noDelay keepAlive keepAliveInitialDelay highWaterMark blockList ' +
  'connectionsCheckingInterval headersTimeout insecureHTTPParser httpValidation joinDuplicateHeaders keepAliveTimeout ' +
  'keepAliveTimeoutBuffer maxHeaderSize optimizeEmptyRequests requestTimeout requireHostHeader rejectNonStandardBodyWrites ' +
  'shouldUpgradeCallback uniqueHeaders IncomingMessage ServerResponse ' +
  'ALPNProtocols ALPNCallback SNICallback allowPartialTrustChain ca cert certificateCompression ciphers clientCertEngine ' +
  'crl dhparam ecdhCurve enableTrace handshakeTimeout honorCipherOrder key maxVersion minVersion passphrase pfx ' +
  'privateKeyEngine privateKeyIdentifier pskCallback pskIdentityHint rejectUnauthorized requestCert secureContext ' +
  'secureOptions secureProtocol servername sessionIdContext sessionTimeout sigalgs ticketKeys isServer server session ' +
  'allowHTTP1 maxDeflateDynamicTableSize maxSettings maxSessionMemory maxHeaderListPairs maxOutstandingPings ' +
  'maxSendHeaderBlockLength maxSessionInvalidFrames maxSessionRejectedStreams paddingStrategy peerMaxConcurrentStreams ' +
  'remoteCustomSettings settings strictFieldWhitespaceValidation strictSingleValueFields streamResetBurst ' +
  'streamResetRate unknownProtocolTimeout origins Http1IncomingMessage Http1ServerResponse Http2ServerRequest ' +
  'Http2ServerResponse http1Options signal'

const KNOWN = OF_NODE.split(' ')

/**
 * The option that was probably meant by one that is neither ours nor Node's; undefined where it is known, and where
 * nothing is near: a newer Node.js may know it.
 *
 * @param own the options of `createServer`
 */
export function misspeltOption(name: string, own: readonly string[]): string | undefined {
  const known = [...own, ...KNOWN]
  return known.includes(name) ? undefined : nearestOption(name, known)
}
