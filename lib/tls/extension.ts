// What ASGI's `tls` extension says of a connection.
import type { X509Certificate } from 'node:crypto'
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { CIPHER_SUITES } from './cipher-suites.js'
import { subjectOf } from './distinguished-name.js'

/** Version numbers as they stand in TLS' own messages, by Node's names. */
const VERSIONS: Readonly<Record<string, number>> = {
  SSLv3: 0x0300,
  TLSv1: 0x0301,
  'TLSv1.1': 0x0302,
  'TLSv1.2': 0x0303,
  'TLSv1.3': 0x0304,
}

/** More certificates than any client sends: whatever `issuerCertificate` names, the walk ends. */
const LONGEST_CHAIN = 32

/**
 * What ASGI's `tls` extension says of a connection, as `src/asgi/extensions.rs` reads it: version, cipher suite, name
 * and error of the client's certificate, the server's certificate and the client's chain, percent-encoded and joined
 * by commas. Empty where nothing is known: the socket is closed, or it is somebody's imitation of one.
 */
export function describeTls(socket: Socket | TLSSocket): string {
  try {
    return 'getProtocol' in socket ? describe(socket) : ''
  } catch {
    // A request must not fail because of what is known about its connection.
    return ''
  }
}

function describe(socket: TLSSocket): string {
  const version = VERSIONS[socket.getProtocol() ?? '']
  if (version === undefined) {
    return ''
  }
  const suite = CIPHER_SUITES[socket.getCipher().standardName]
  const chain = chainOf(socket)
  const [leaf] = chain
  const name = leaf === undefined ? '' : subjectOf(leaf)
  return [
    String(version),
    String(suite ?? ''),
    name,
    // Node sets an error also where the client has sent no certificate, which the extension does not want.
    leaf === undefined ? '' : errorOf(socket),
    base64(socket.getX509Certificate()?.raw),
    ...chain.map(base64),
  ]
    .map(encodeURIComponent)
    .join(',')
}

/**
 * The certificates that the client sent, its own first. A resumed session keeps its own only. `getPeerCertificate`
 * would add what the server has found in its own store, and names a root as its own issuer for ever.
 */
function chainOf(socket: TLSSocket): Buffer[] {
  const chain: Buffer[] = []
  let certificate: X509Certificate | undefined = socket.getPeerX509Certificate()
  while (certificate !== undefined && chain.length < LONGEST_CHAIN) {
    if (chain.at(-1)?.equals(certificate.raw) === true) {
      break
    }
    chain.push(certificate.raw)
    certificate = certificate.issuerCertificate
  }
  return chain
}

function errorOf({ authorizationError: error }: { authorizationError: unknown }): string {
  // Typed as an Error; a server's socket has OpenSSL's code.
  return error instanceof Error ? error.message : typeof error === 'string' ? error : ''
}

function base64(der: Buffer | undefined): string {
  return der?.toString('base64') ?? ''
}
