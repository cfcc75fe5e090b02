import { SluiceError } from '#domain/errors'

const CAUSES: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there',
  ENOTFOUND: 'there is no host of this name',
  EAI_AGAIN: 'the name of the host cannot be resolved',
  ECONNABORTED: 'it does not answer in time',
  ETIMEDOUT: 'it does not answer in time',
  ECONNRESET: 'it closed the connection',
  EPROTO: 'TLS failed: is it https?',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'its certificate is self-signed: name it in NODE_EXTRA_CA_CERTS',
  SELF_SIGNED_CERT_IN_CHAIN: 'its certificate is not trusted: name its issuer in NODE_EXTRA_CA_CERTS',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'its certificate is not trusted: name its issuer in NODE_EXTRA_CA_CERTS',
  CERT_HAS_EXPIRED: 'its certificate has expired',
}

/** Why nobody answered, from the code of Node's error. */
export function unreachable(base: string, code = 'no answer', signal?: AbortSignal): SluiceError {
  if (signal?.aborted) return new SluiceError('interrupted', 'Interrupted.', { retry: 'never' })
  return new SluiceError('gateway-unreachable', `${base} cannot be reached: ${CAUSES[code] ?? code}.`, {
    remedy: 'Check --url (or SLUICE_URL), and that the gateway runs.',
  })
}
