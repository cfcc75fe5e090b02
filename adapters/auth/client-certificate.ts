import { X509Certificate } from 'node:crypto'
import { BlockList, isIP } from 'node:net'
import type { CertificateOrigin } from '#domain/auth-spec'
import { type Delivery, onlyHeader } from '#domain/source'
import { type Refusal, refuse } from '#domain/verification'
import { commonName } from './distinguished-name.ts'
import { oncePer } from './once-per.ts'

/** Longest base64 of a certificate that is looked at; those of SAP have about 2 kB. */
const MAX_LENGTH = 16_384

/**
 * The certificate a caller proved to hold: in the TLS handshake, where it ends here; otherwise as the Cloud Foundry
 * router says, and then only where that is configured, because any caller can send these headers as well.
 * https://docs.cloudfoundry.org/concepts/http-routing.html#forward-client-cert
 */
export function clientCertificate(delivery: Delivery, origin: CertificateOrigin): X509Certificate | Refusal {
  const found = origin.from === 'connection' ? fromConnection(delivery) : fromRouter(delivery, origin.proxies)
  return 'ok' in found || isInForce(found, delivery.receivedAt) ? found : refuse('certificate-invalid')
}

function fromConnection({ peer }: Delivery): X509Certificate | Refusal {
  const certificate = peer?.certificate
  if (!certificate) return refuse('certificate-missing')
  return certificate.authorized ? new X509Certificate(certificate.raw) : refuse('certificate-invalid')
}

function fromRouter({ headers, peer }: Delivery, proxies: CertificateOrigin['proxies']): X509Certificate | Refusal {
  const forwarded = onlyHeader(headers, 'x-forwarded-client-cert')
  const verdict = onlyHeader(headers, 'x-ssl-client-verify')
  const named = onlyHeader(headers, 'x-ssl-client-subject-cn')
  if (forwarded === null || verdict === null || named === null) return refuse('header-duplicated')
  if (!forwarded) return refuse('certificate-missing')
  if (proxies && !isAmong(peer?.address, proxies)) return refuse('certificate-invalid')
  // OpenSSL's X509_V_OK: the router checked the chain and that the caller has the key.
  if (verdict !== '0' || forwarded.length > MAX_LENGTH) return refuse('certificate-invalid')
  const certificate = parse(forwarded)
  const subject = certificate && commonName(certificate.subject)
  const matches = subject !== undefined && named && Buffer.from(named, 'base64').toString('utf8') === subject
  return certificate && matches ? certificate : refuse('certificate-invalid')
}

/** Base64 of DER, without the lines around it. */
function parse(base64: string): X509Certificate | undefined {
  try {
    return new X509Certificate(Buffer.from(base64, 'base64'))
  } catch (thrown) {
    // OpenSSL's own words for bytes that are no certificate.
    if (thrown instanceof Error && 'code' in thrown) return undefined
    throw thrown
  }
}

const isInForce = ({ validFromDate, validToDate }: X509Certificate, now: Date): boolean =>
  validFromDate <= now && now <= validToDate

function isAmong(address: string | undefined, networks: readonly string[]): boolean {
  const version = isIP(address ?? '')
  if (!address || version === 0) return false
  return listOf(networks).check(address, version === 4 ? 'ipv4' : 'ipv6')
}

const listOf = oncePer((networks: readonly string[]): BlockList => {
  const list = new BlockList()
  for (const network of networks) {
    const [address = '', prefix] = network.split('/')
    const family = isIP(address) === 4 ? 'ipv4' : 'ipv6'
    list.addSubnet(address, prefix === undefined ? (family === 'ipv4' ? 32 : 128) : Number(prefix), family)
  }
  return list
})
