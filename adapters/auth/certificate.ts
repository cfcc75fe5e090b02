import type { X509Certificate } from 'node:crypto'
import type { CertificateAuth } from '#domain/auth-spec'
import type { Delivery } from '#domain/source'
import { type Principal, type Refusal, refuse } from '#domain/verification'
import { clientCertificate } from './client-certificate.ts'
import { canonicalName } from './distinguished-name.ts'
import { oncePer } from './once-per.ts'

interface Pins {
  readonly subjects: ReadonlySet<string>
  readonly issuers: ReadonlySet<string>
  readonly fingerprints: ReadonlySet<string>
}

/** Whether the caller's certificate is one of those configured: by fingerprint, or by subject and issuer together. */
export function checkCertificate(
  delivery: Delivery,
  spec: CertificateAuth,
): { ok: true; principal: Principal } | Refusal {
  const certificate = clientCertificate(delivery, spec)
  if ('ok' in certificate) return certificate
  if (!isPinned(certificate, pinsOf(spec))) return refuse('certificate-invalid')
  return { ok: true, principal: { name: certificate.subject.replaceAll('\n', ',').slice(0, 255), scopes: [] } }
}

function isPinned(certificate: X509Certificate, { subjects, issuers, fingerprints }: Pins): boolean {
  if (fingerprints.size > 0 && !fingerprints.has(hexOf(certificate.fingerprint256))) return false
  if (subjects.size > 0 && !subjects.has(canonicalName(certificate.subject))) return false
  return issuers.size === 0 || issuers.has(canonicalName(certificate.issuer))
}

const pinsOf = oncePer(
  ({ subject = [], issuer = [], fingerprints = [] }: CertificateAuth): Pins => ({
    subjects: new Set([subject].flat().map(canonicalName)),
    issuers: new Set([issuer].flat().map(canonicalName)),
    fingerprints: new Set(fingerprints.map(hexOf)),
  }),
)

const hexOf = (fingerprint: string): string => fingerprint.replaceAll(/[:\s]/g, '').toLowerCase()
