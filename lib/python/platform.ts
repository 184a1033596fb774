// This platform, its name, the files mapped into the process.
import { readFileSync } from 'node:fs'
import { AmphisError } from '../base/errors.js'

/** The platforms with a prebuilt addon, in the words of its packages' names. */
export const PREBUILT: readonly string[] = ['darwin-arm64', 'darwin-x64', 'linux-x64-gnu']

const SUPPORTED = 'amphis runs on Linux with glibc and on macOS'

/** The parts of Node.js's diagnostic report that are read and set here; the types do not know all of them. */
interface Report {
  excludeNetwork: boolean
  getReport(): { sharedObjects: string[] }
}

/**
 * The files that are mapped into this process, programs and libraries among them. They are the same in every thread,
 * unlike anything that JavaScript could remember.
 */
export function mappedFiles(): string[] {
  if (process.platform === 'linux') {
    const lines = readFileSync('/proc/self/maps', 'utf8').split('\n')
    const paths = lines.flatMap((line) => /\s(\/.*?)(?: \(deleted\))?$/.exec(line)?.[1] ?? [])
    return [...new Set(paths)]
  }
  const report = process.report as unknown as Report
  const { excludeNetwork } = report
  // The network part of the report resolves names, which may take seconds.
  report.excludeNetwork = true
  try {
    return report.getReport().sharedObjects
  } finally {
    report.excludeNetwork = excludeNetwork
  }
}

/** Whether this Node.js is built for musl (Alpine Linux). Much faster than to ask for a diagnostic report. */
function isMusl(): boolean {
  return mappedFiles().some((file) => /\/(?:ld-musl-|libc\.musl-)/.test(file))
}

/** This platform as the packages with prebuilt addons are named: `linux-x64-gnu`. */
export function platformName(): string {
  const { platform, arch } = process
  if (platform !== 'linux') {
    return `${platform}-${arch}`
  }
  const libc = isMusl() ? 'musl' : 'gnu'
  return arch === 'arm' ? `linux-arm-${libc}eabihf` : `linux-${arch}-${libc}`
}

/** What to do on a platform without a prebuilt addon. */
export function platformRemedy(name: string): string {
  if (name.includes('musl')) {
    return `${SUPPORTED}, not with musl: use an image such as node:22-slim instead of node:22-alpine.`
  }
  if (name.startsWith('win32')) {
    return `${SUPPORTED}: on Windows, run it in WSL.`
  }
  return `Prebuilt are ${PREBUILT.join(', ')}: build it from the sources with "npm run build" (this needs Rust).`
}

/** @throws {AmphisError} `AMPHIS_ERR_BINDING` where nothing of amphis can work. */
export function assertPlatform(platform: NodeJS.Platform): void {
  if (platform === 'win32') {
    throw new AmphisError('AMPHIS_ERR_BINDING', `amphis does not run on ${platform}. ${platformRemedy(platform)}`)
  }
}
