// Fields that belong to one connection or to the framing of one message, and mean nothing beyond it.

// RFC 9110 7.6.1, and those that were never in a standard. `expect` and `trailer` are about bytes that were framed anew.
const FIELDS = new Set([
  'connection',
  'expect',
  'http2-settings',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/** Tells whether a field ends with the connection; `name` is in lower case. */
export type IsHopByHop = (name: string) => boolean

/** @param connection the value of the `connection` field, which may name more of them; empty or `null` for none */
export function hopByHop(connection: string | null): IsHopByHop {
  if (connection === null || connection === '') {
    return (name) => FIELDS.has(name)
  }
  const named = new Set(connection.split(',').map((option) => option.trim().toLowerCase()))
  return (name) => FIELDS.has(name) || named.has(name)
}
