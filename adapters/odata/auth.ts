import { SluiceError } from '#domain/errors'
import { sharedToken } from '#domain/shared-token'
import { member } from './canonical.ts'
import { classifyAnswer, classifyFailure, UNAUTHORIZED_PAUSE_MS } from './classify.ts'
import { tryParseJson } from './json.ts'
import type { ODataAuth } from './options.ts'
import { type Transport, TransportFailure } from './transport.ts'

export interface Credentials {
  /** Value of the `Authorization` header. */
  header(): Promise<string | undefined>
  /** After a 401: a token that was refused is not offered again. */
  forget(refused: string | undefined): void
}

export function credentials(auth: ODataAuth, transport: Transport, now: () => Date): Credentials {
  if (auth.kind === 'oauth2') return clientCredentials(auth, transport, now)
  const fixed =
    auth.kind === 'basic' ? `Basic ${Buffer.from(`${auth.user}:${auth.password}`).toString('base64')}` : undefined
  return { header: async () => fixed, forget: () => undefined }
}

/** One token for all, one request for it in flight. https://www.rfc-editor.org/rfc/rfc6749#section-4.4 */
function clientCredentials(
  auth: Extract<ODataAuth, { kind: 'oauth2' }>,
  transport: Transport,
  now: () => Date,
): Credentials {
  async function request(): Promise<{ value: string; lifeMs: number }> {
    // In the body, because XSUAA's ids contain characters that `Basic` would have to encode, and it does not decode.
    const form = { grant_type: 'client_credentials', client_id: auth.clientId, client_secret: auth.clientSecret }
    const body = new URLSearchParams(form).toString()
    const headers = { accept: 'application/json', 'content-type': 'application/x-www-form-urlencoded' }
    const answer = await transport
      .exchange({ method: 'POST', url: auth.tokenUrl, headers, body })
      .catch((thrown: unknown) => {
        throw thrown instanceof TransportFailure ? classifyFailure(thrown, false) : thrown
      })
    const at = now()
    if (answer.status === 400 || answer.status === 401) throw refusedByTokenServer(answer.status)
    if (answer.status !== 200) throw classifyAnswer(answer, { write: false, now: at, random: Math.random() })
    const grant = tryParseJson(answer.text)
    const [value, seconds] = [member(grant, 'access_token'), Number(member(grant, 'expires_in') ?? 0)]
    if (typeof value !== 'string' || value === '') throw refusedByTokenServer(answer.status)
    return { value, lifeMs: seconds * 1_000 }
  }

  const { header, forget } = sharedToken(request, now)
  return { header, forget: (refused) => (refused === undefined ? undefined : forget(refused)) }
}

const refusedByTokenServer = (status: number): SluiceError =>
  new SluiceError('target-unauthorized', 'The token server gave no token.', {
    retry: { afterMs: UNAUTHORIZED_PAUSE_MS },
    httpStatus: status,
    remedy: 'Check `auth.clientId`, `auth.clientSecret` and `auth.tokenUrl` of the target.',
  })
