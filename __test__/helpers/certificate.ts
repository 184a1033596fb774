import { createPrivateKey, generateKeyPairSync, randomBytes, sign } from 'node:crypto'

export interface Identity {
  /** PEM. */
  certificate: string
  /** PEM. */
  key: string
  /** The subject in DER, which is the issuer of what this identity signs. */
  subject: Buffer
}

/** An attribute of a name: object identifier in hex, the string's tag, its bytes. */
export type Attribute = readonly [type: string, tag: number, value: string | Buffer]

/** Object identifiers of attributes, as DER has them. */
export const attributes = {
  commonName: '550403',
  country: '550406',
  organization: '55040a',
  organizationalUnit: '55040b',
  domainComponent: '0992268993f22c640119',
  emailAddress: '2a864886f70d010901',
  /** 1.3.6.1.4.1.99999.1, which means nothing to anybody. */
  unknown: '2b06010401868d1f01',
}

/** Tags of strings. */
export const strings = { bits: 0x03, utf8: 0x0c, printable: 0x13, t61: 0x14, ia5: 0x16, bmp: 0x1e }

interface IdentityOptions {
  /** Sets of attributes, from the root of the directory on; or a common name. */
  name?: string | readonly (readonly Attribute[])[]
  /** Who signs it; itself if there is nobody. */
  issuer?: Identity
  isAuthority?: boolean
}

/** One DER element: tag, length, content. */
function der(tag: number, ...parts: Buffer[]): Buffer {
  const content = Buffer.concat(parts)
  if (content.length < 0x80) return Buffer.concat([Buffer.from([tag, content.length]), content])
  const length = Buffer.from(content.length.toString(16).padStart(content.length > 0xff ? 4 : 2, '0'), 'hex')
  return Buffer.concat([Buffer.from([tag, 0x80 | length.length]), length, content])
}

const sequence = (...parts: Buffer[]) => der(0x30, ...parts)
const object = (hex: string) => der(0x06, Buffer.from(hex, 'hex'))
const time = (date: Date) => der(0x18, Buffer.from(date.toISOString().replace(/[-:T]|\.\d+/g, '')))

const ecdsaWithSha256 = sequence(object('2a8648ce3d040302'))
const day = 86_400_000

function distinguishedName(name: string | readonly (readonly Attribute[])[]): Buffer {
  const sets = typeof name === 'string' ? [[[attributes.commonName, strings.utf8, name]] as const] : name
  return sequence(
    ...sets.map((set) =>
      der(0x31, ...set.map(([type, tag, value]) => sequence(object(type), der(tag, Buffer.from(value as string))))),
    ),
  )
}

/** A certificate for 127.0.0.1 and localhost that is valid for a day, and its key. */
export function createIdentity({ name = 'amphis test', issuer, isAuthority = false }: IdentityOptions = {}): Identity {
  const { privateKey, publicKey } = generateKeyPairSync('ec', {
    namedCurve: 'P-256',
    publicKeyEncoding: { type: 'spki', format: 'der' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  })
  const names = sequence(der(0x87, Buffer.from([127, 0, 0, 1])), der(0x82, Buffer.from('localhost')))
  const authority = sequence(...(isAuthority ? [der(0x01, Buffer.from([0xff]))] : []))
  const extensions = sequence(
    sequence(object('551d11'), der(0x04, names)),
    // Basic constraints, critical.
    sequence(object('551d13'), der(0x01, Buffer.from([0xff])), der(0x04, authority)),
  )
  const subject = distinguishedName(name)
  const content = sequence(
    der(0xa0, der(0x02, Buffer.from([2]))),
    der(0x02, Buffer.concat([Buffer.from([1]), randomBytes(15)])),
    ecdsaWithSha256,
    issuer?.subject ?? subject,
    sequence(time(new Date(Date.now() - day)), time(new Date(Date.now() + day))),
    subject,
    publicKey,
    der(0xa3, extensions),
  )
  const signature = sign('sha256', content, createPrivateKey(issuer?.key ?? privateKey))
  const whole = sequence(content, ecdsaWithSha256, der(0x03, Buffer.from([0]), signature))
  const lines = whole.toString('base64').match(/.{1,64}/g) ?? []
  return {
    certificate: ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n'),
    key: privateKey,
    subject,
  }
}

/** A self-signed certificate that is its own authority. */
export function createCertificate(): Identity {
  return createIdentity({ isAuthority: true })
}
