// The addresses, networks and names of `forwardedAllowIps`.
import { BlockList, isIPv4, isIPv6 } from 'node:net'

const ANYBODY = '*'
const MAPPED = '::ffff:'
const NETWORK = /^([^/]+)\/(\d{1,3})$/

/** An IPv4 address as itself, also where a socket for both families shows it as an IPv6 one. */
function unmapped(address: string): string {
  const inner = address.slice(MAPPED.length)
  return address.startsWith(MAPPED) && isIPv4(inner) ? inner : address
}

function familyOf(address: string): 'ipv4' | 'ipv6' | undefined {
  if (isIPv4(address)) {
    return 'ipv4'
  }
  return isIPv6(address) ? 'ipv6' : undefined
}

/**
 * The proxies whose `X-Forwarded-*` headers are believed: addresses, networks in CIDR notation, names that a proxy on
 * a Unix socket writes in place of an address, or `*` for anybody.
 */
export class TrustedPeers {
  readonly trustsAnybody: boolean
  /** As they were written, which is how they mostly come. */
  readonly #texts: ReadonlySet<string>
  readonly #addresses = new BlockList()
  readonly #networks = new BlockList()

  /** @throws {TypeError} at the first entry that can't match anything; the message is that entry */
  constructor(entries: readonly string[]) {
    this.trustsAnybody = entries.includes(ANYBODY)
    this.#texts = new Set(entries)
    for (const entry of entries) {
      if (entry !== ANYBODY && !this.#add(entry)) {
        throw new TypeError(entry)
      }
    }
  }

  /** Whether an address is one of them. What has none (a Unix socket, a malformed entry) is trusted by name only. */
  has(address: string | undefined): boolean {
    if (this.trustsAnybody || address === undefined) {
      return this.trustsAnybody
    }
    return this.#texts.has(address) || this.#hasAddress(unmapped(address))
  }

  #hasAddress(address: string): boolean {
    const zone = address.indexOf('%')
    const bare = zone === -1 ? address : address.slice(0, zone)
    const family = familyOf(bare)
    if (family === undefined) {
      return false
    }
    // An address with a zone is another one on each interface; networks have no zones.
    return (zone === -1 && this.#addresses.check(bare, family)) || this.#networks.check(bare, family)
  }

  #add(entry: string): boolean {
    const family = familyOf(entry)
    if (family !== undefined) {
      if (!entry.includes('%')) {
        this.#addresses.addAddress(unmapped(entry), familyOf(unmapped(entry)))
      }
      return true
    }
    const [, base = '', digits] = NETWORK.exec(entry) ?? []
    const bits = Number(digits)
    const baseFamily = base.includes('%') ? undefined : familyOf(base)
    if (baseFamily !== undefined) {
      if (bits > (baseFamily === 'ipv4' ? 32 : 128)) {
        return false
      }
      this.#networks.addSubnet(base, bits, baseFamily)
      return true
    }
    return entry.startsWith('unix:') || entry.startsWith('/')
  }
}
