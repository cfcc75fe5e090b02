import { createPublicKey, generateKeyPairSync, type KeyObject, randomBytes, sign, X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'

/** A certificate with its key, made on the spot: no file to renew, no tool to install, and none looks real. */
export interface Identity {
  readonly certificate: X509Certificate
  readonly key: KeyObject
  readonly pem: { readonly cert: string; readonly key: string }
  /** DER in base64, as routers forward it. */
  readonly base64: string
  readonly name: Name
}

export type Name = readonly (readonly [attribute: keyof typeof ATTRIBUTES, value: string])[]

export interface IdentityOptions {
  readonly name: Name
  /** Itself if absent. */
  readonly signedBy?: Identity
  readonly from?: Date
  readonly to?: Date
  readonly isAuthority?: boolean
  /** `subjectAltName`: names and IPv4 addresses. */
  readonly names?: readonly string[]
}

const ATTRIBUTES = { CN: '550403', OU: '55040b', O: '55040a', L: '550407', C: '550406' } as const

/** X.509 v3 with an EC key, RFC 5280 §4.1, in as much DER as that takes: Node signs, but does not issue. */
export function makeIdentity(options: IdentityOptions): Identity {
  const { name, signedBy, isAuthority = false, names = [] } = options
  const { from = new Date('2020-01-01T00:00:00Z'), to = new Date('2049-12-31T00:00:00Z') } = options
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const extensions = [
    sequence(oid('551d13'), boolean(true), octets(sequence(...(isAuthority ? [boolean(true)] : [])))),
    ...(names.length > 0 ? [sequence(oid('551d11'), octets(sequence(...names.map(generalName))))] : []),
  ]
  const body = sequence(
    tlv(0xa0, integer(Buffer.of(2))),
    integer(Buffer.concat([Buffer.of(1), randomBytes(15)])),
    ECDSA_SHA256,
    nameOf(signedBy?.name ?? name),
    sequence(time(from), time(to)),
    nameOf(name),
    createPublicKey(privateKey).export({ format: 'der', type: 'spki' }),
    tlv(0xa3, sequence(...extensions)),
  )
  const signature = sign('sha256', body, signedBy?.key ?? privateKey)
  const der = sequence(body, ECDSA_SHA256, bits(signature))
  const certificate = new X509Certificate(der)
  const key = privateKey.export({ format: 'pem', type: 'pkcs8' }).toString()
  return {
    certificate,
    key: privateKey,
    pem: { cert: certificate.toString(), key },
    base64: der.toString('base64'),
    name,
  }
}

function tlv(tag: number, ...content: Uint8Array[]): Buffer {
  const value = Buffer.concat(content)
  const { length } = value
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.of(tag, ...size), value])
}

const sequence = (...parts: Uint8Array[]): Buffer => tlv(0x30, ...parts)
const oid = (hex: string): Buffer => tlv(0x06, Buffer.from(hex, 'hex'))
const integer = (value: Uint8Array): Buffer => tlv(0x02, value)
const boolean = (value: boolean): Buffer => tlv(0x01, Buffer.of(value ? 0xff : 0))
const octets = (value: Uint8Array): Buffer => tlv(0x04, value)
const bits = (value: Uint8Array): Buffer => tlv(0x03, Buffer.of(0), value)
const ECDSA_SHA256 = sequence(oid('2a8648ce3d040302'))

/** UTCTime: `YYMMDDHHMMSSZ`, until 2049. */
const time = (date: Date): Buffer =>
  tlv(0x17, Buffer.from(`${date.toISOString().replaceAll(/[-:T]/g, '').slice(2, 14)}Z`))

const generalName = (name: string): Buffer =>
  isIP(name) === 4 ? tlv(0x87, Buffer.from(name.split('.').map(Number))) : tlv(0x82, Buffer.from(name))

const nameOf = (name: Name): Buffer =>
  sequence(
    ...name.map(([attribute, value]) => tlv(0x31, sequence(oid(ATTRIBUTES[attribute]), tlv(0x0c, Buffer.from(value))))),
  )
