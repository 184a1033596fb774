// The subject of a certificate as RFC 4514 writes it, from its DER.

/**
 * Attributes with a short name in RFC 4514, then those that IANA registers short names for and that certificates of
 * people and devices are full of.
 */
const SHORT_NAMES: Readonly<Record<string, string>> = {
  '2.5.4.3': 'CN',
  '2.5.4.6': 'C',
  '2.5.4.7': 'L',
  '2.5.4.8': 'ST',
  '2.5.4.9': 'STREET',
  '2.5.4.10': 'O',
  '2.5.4.11': 'OU',
  '0.9.2342.19200300.100.1.1': 'UID',
  '0.9.2342.19200300.100.1.25': 'DC',
  '1.2.840.113549.1.9.1': 'emailAddress',
  '2.5.4.4': 'sn',
  '2.5.4.5': 'serialNumber',
  '2.5.4.12': 'title',
  '2.5.4.42': 'givenName',
  '2.5.4.43': 'initials',
  '2.5.4.44': 'generationQualifier',
  '2.5.4.46': 'dnQualifier',
  '2.5.4.65': 'pseudonym',
}

const VERSION = 0xa0
const BMP_STRING = 0x1e
/** Tags of the strings that Node can decode as they are. The last is T.61, which everybody writes Latin-1 in. */
const ENCODINGS: Readonly<Record<number, BufferEncoding>> = {
  0x0c: 'utf8',
  0x12: 'latin1',
  0x13: 'latin1',
  0x16: 'latin1',
  0x1a: 'latin1',
  0x14: 'latin1',
}

/** One element of DER. */
interface Element {
  tag: number
  content: Buffer
  /** With tag and length. */
  whole: Buffer
}

/**
 * The subject of a certificate in DER as RFC 4514 writes it: `CN=leaf,O=Example\, Inc.,C=CH`. What Node calls
 * `subject` is OpenSSL's notation, in the other order and escaped in another way.
 *
 * @throws {RangeError} when it is no certificate
 */
export function subjectOf(certificate: Buffer): string {
  const [toBeSigned] = elementsOf(elementAt(certificate, 0).content)
  // The version may be missing; then come serial number, algorithm, issuer, validity, subject.
  const fields = elementsOf(contentOf(toBeSigned)).filter(({ tag }) => tag !== VERSION)
  return elementsOf(contentOf(fields[4])).toReversed().map(relativeName).join(',')
}

function relativeName({ content }: Element): string {
  return elementsOf(content)
    .map((attribute) => {
      const [type, value] = elementsOf(attribute.content)
      const oid = dotted(contentOf(type))
      const name = SHORT_NAMES[oid]
      const text = name === undefined || value === undefined ? undefined : textOf(value)
      return text === undefined ? `${name ?? oid}=#${value?.whole.toString('hex')}` : `${name}=${escape(text)}`
    })
    .join('+')
}

function textOf({ tag, content }: Element): string | undefined {
  if (tag === BMP_STRING && content.length % 2 === 0) {
    // Decoded, unlike `toString`, without leaving half a surrogate pair.
    return new TextDecoder('utf-16le').decode(Buffer.from(content).swap16())
  }
  const encoding = ENCODINGS[tag]
  return encoding === undefined ? undefined : content.toString(encoding)
}

/** RFC 4514 2.4; control characters as well, since names are logged. */
function escape(text: string): string {
  return text
    .replace(/["+,;<>\\]|^[ #]| $/g, '\\$&')
    .replace(/\p{Cc}/gu, (character) => Buffer.from(character).toString('hex').replace(/../g, '\\$&'))
}

function dotted(content: Buffer): string {
  const arcs: bigint[] = []
  let arc = 0n
  for (const byte of content) {
    arc = (arc << 7n) | BigInt(byte & 0x7f)
    if (byte < 0x80) {
      arcs.push(arc)
      arc = 0n
    }
  }
  const [first = 0n, ...rest] = arcs
  // The first two arcs share a number.
  const root = first < 80n ? first / 40n : 2n
  return [root, first - root * 40n, ...rest].join('.')
}

function contentOf(element: Element | undefined): Buffer {
  if (element === undefined) {
    throw new RangeError('The certificate lacks a field.')
  }
  return element.content
}

function elementsOf(content: Buffer): Element[] {
  const elements: Element[] = []
  for (let at = 0; at < content.length;) {
    const element = elementAt(content, at)
    elements.push(element)
    at += element.whole.length
  }
  return elements
}

function elementAt(bytes: Buffer, at: number): Element {
  const tag = bytes.readUInt8(at)
  const first = bytes.readUInt8(at + 1)
  const lengthBytes = first < 0x80 ? 0 : first & 0x7f
  const start = at + 2 + lengthBytes
  const length = lengthBytes === 0 ? first : bytes.readUIntBE(at + 2, lengthBytes)
  if (start + length > bytes.length) {
    throw new RangeError('The certificate is cut off.')
  }
  return { tag, content: bytes.subarray(start, start + length), whole: bytes.subarray(at, start + length) }
}
