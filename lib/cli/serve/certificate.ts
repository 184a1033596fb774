// The files of TLS to options, and what is wrong with them.
import { readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createSecureContext, type TLSSocket } from 'node:tls'
import type { ServerOptions } from '../../server/server.js'
import { fileProblem } from '../errors/file-problem.js'
import { ServeError } from '../errors/serve-error.js'
import { UsageError } from '../errors/usage-error.js'
import type { OptionValues } from '../options/table.js'

/**
 * The options of TLS that the files on the command line stand for; none without a certificate.
 *
 * @throws {UsageError} when one is missing that another needs
 * @throws {ServeError} when one cannot be read or used
 */
export async function tlsOptions(options: OptionValues): Promise<ServerOptions> {
  const certfile = options['ssl-certfile']
  const keyfile = options['ssl-keyfile']
  const caCerts = options['ssl-ca-certs']
  const requires = options['ssl-cert-reqs']
  if (certfile === undefined) {
    if (keyfile !== undefined)
      throw new UsageError('--ssl-keyfile needs the certificate of the key: --ssl-certfile FILE.')
    if (caCerts !== undefined || requires !== '0') {
      throw new UsageError('Client certificates need a server that has one itself: --ssl-certfile FILE.')
    }
    return {}
  }
  const [cert, key, ca] = await Promise.all([
    read('--ssl-certfile', certfile),
    // As in Python, one file may hold both.
    keyfile === undefined ? read('--ssl-certfile', certfile) : read('--ssl-keyfile', keyfile),
    caCerts === undefined ? undefined : read('--ssl-ca-certs', caCerts),
  ])
  const files = { cert, key, ca, passphrase: options['ssl-keyfile-password'] }
  try {
    // As the server will, which has other options that may be wrong.
    createSecureContext(files)
  } catch (error) {
    throw tlsProblem(options, error as Error)
  }
  return {
    ...files,
    requestCert: requires !== '0',
    rejectUnauthorized: requires === '2',
  }
}

async function read(option: string, path: string): Promise<Buffer> {
  try {
    return await readFile(path)
  } catch (error) {
    throw new ServeError(`${fileProblem(path, error)} Name a file in PEM with ${option}.`, { cause: error })
  }
}

/** What OpenSSL finds wrong with the files that were read, in one line. */
export function tlsProblem(options: OptionValues, error: Error): ServeError {
  const { message: reason } = error
  const files = [options['ssl-certfile'], options['ssl-keyfile'], options['ssl-ca-certs']]
  const named = files.filter((file) => file !== undefined).join(', ')
  const isLocked =
    /passphrase|password|decrypt|interrupted or cancelled/i.test(reason) ||
    // One wrong password in 256 seems to decrypt, to nonsense.
    (reason.includes('DECODER') && isEncrypted(options['ssl-keyfile'] ?? options['ssl-certfile']))
  const { 'ssl-certfile': certfile, 'ssl-keyfile': keyfile } = options
  if (keyfile === undefined && !holdsKey(certfile)) {
    return new ServeError(`${certfile} holds no private key. Name the file of the key with --ssl-keyfile.`, {
      cause: error,
    })
  }
  const remedy = isLocked
    ? 'Give the password of the key with --ssl-keyfile-password.'
    : 'Check that they are in PEM and that the key is that of the certificate.'
  return new ServeError(`TLS cannot use ${named} (${reason}). ${remedy}`, { cause: error })
}

function isEncrypted(keyfile: string | undefined): boolean {
  return contains(keyfile, 'ENCRYPTED')
}

function holdsKey(certfile: string | undefined): boolean {
  return contains(certfile, 'PRIVATE KEY-----')
}

function contains(file: string | undefined, words: string): boolean {
  try {
    return file !== undefined && readFileSync(file).includes(words)
  } catch {
    return false
  }
}

/** Python's CERT_OPTIONAL: a client may have no certificate, but not one that is not to be trusted. */
export function refuseUntrusted(socket: TLSSocket): void {
  if (!socket.authorized && socket.getPeerX509Certificate() !== undefined) {
    socket.destroy()
  }
}
