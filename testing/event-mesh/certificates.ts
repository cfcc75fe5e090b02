import { createSign, generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto'
import { isIP } from 'node:net'

/** A certificate with its key, in PEM. */
export interface Certificate {
  /** PEM. */
  readonly certificate: string
  /** PEM, PKCS #8. */
  readonly key: string
}

/** A certificate authority of the simulator's own. */
export interface Authority extends Certificate {
  /** A certificate for a server's names and addresses, or for a client's name. */
  issue(commonName: string, names?: readonly string[]): Certificate
}

const dayMs = 86_400_000
const oid = {
  commonName: '550403',
  ecdsaWithSha256: '2a8648ce3d040302',
  subjectAltName: '551d11',
  basicConstraints: '551d13',
} as const

/**
 * A certificate authority for one test run: keys that nobody else has, and none in the repository. X.509 v3 (RFC 5280)
 * with ECDSA P-256, written out, because Node signs but does not issue.
 */
export const authority = (commonName: string): Authority => {
  const own = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const issued = (subject: string, publicKey: KeyObject, extensions: readonly Buffer[]) => {
    const algorithm = sequence(objectId(oid.ecdsaWithSha256))
    const body = sequence(
      tagged(0xa0, integer(Buffer.from([2]))),
      integer(Buffer.concat([Buffer.from([1]), randomBytes(8)])),
      algorithm,
      named(commonName),
      sequence(moment(Date.now() - dayMs), moment(Date.now() + 365 * dayMs)),
      named(subject),
      publicKey.export({ type: 'spki', format: 'der' }),
      tagged(0xa3, sequence(...extensions)),
    )
    const signature = createSign('sha256').update(body).sign(own.privateKey)
    return pem(sequence(body, algorithm, tagged(0x03, Buffer.from([0]), signature)))
  }
  const isAuthority = extension(oid.basicConstraints, sequence(tagged(0x01, Buffer.from([0xff]))), true)

  return {
    certificate: issued(commonName, own.publicKey, [isAuthority]),
    key: keyPem(own.privateKey),
    issue(subject, names = [subject]) {
      const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' })
      const alternatives = extension(oid.subjectAltName, sequence(...names.map(generalName)))
      return { certificate: issued(subject, pair.publicKey, [alternatives]), key: keyPem(pair.privateKey) }
    },
  }
}

const tagged = (tag: number, ...contents: readonly Buffer[]): Buffer => {
  const content = Buffer.concat(contents)
  const size = content.length
  const length = size < 0x80 ? [size] : size < 0x100 ? [0x81, size] : [0x82, size >> 8, size & 0xff]
  return Buffer.concat([Buffer.from([tag, ...length]), content])
}

const sequence = (...contents: readonly Buffer[]): Buffer => tagged(0x30, ...contents)
const integer = (bytes: Buffer): Buffer => tagged(0x02, bytes)
const objectId = (hex: string): Buffer => tagged(0x06, Buffer.from(hex, 'hex'))

/** UTCTime: `YYMMDDHHMMSSZ`, until 2049. */
const moment = (ms: number): Buffer =>
  tagged(0x17, Buffer.from(`${new Date(ms).toISOString().slice(2, 19).replaceAll(/[-:T]/g, '')}Z`))

const named = (commonName: string): Buffer =>
  sequence(tagged(0x31, sequence(objectId(oid.commonName), tagged(0x0c, Buffer.from(commonName)))))

const extension = (id: string, value: Buffer, critical = false): Buffer =>
  sequence(objectId(id), ...(critical ? [tagged(0x01, Buffer.from([0xff]))] : []), tagged(0x04, value))

/** An IPv4 address or a name. */
const generalName = (name: string): Buffer =>
  isIP(name) === 4 ? tagged(0x87, Buffer.from(name.split('.').map(Number))) : tagged(0x82, Buffer.from(name))

const pem = (der: Buffer): string => {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? []
  return ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n')
}

const keyPem = (key: KeyObject): string => key.export({ type: 'pkcs8', format: 'pem' }).toString()
