import type { SluiceError } from '#domain/errors'
import { sharedToken } from '#domain/shared-token'
import { refusedByTokenServer, transient } from './classify.ts'
import type { MeshClient } from './connection.ts'
import type { Transport } from './transport.ts'

/** Where the server does not say, as CAP assumes. */
const DEFAULT_LIFE_S = 3_600

export interface Tokens {
  /** Value of the `Authorization` header. */
  header(): Promise<string>
  /** After a 401: this one is good no longer. */
  drop(header: string): void
}

/** One token for all, one request for it in flight. https://www.rfc-editor.org/rfc/rfc6749#section-4.4 */
export function createTokens(client: MeshClient, transport: Transport, now: () => Date): Tokens {
  async function request(): Promise<{ value: string; lifeMs: number }> {
    // In the body, because XSUAA's ids contain characters that `Basic` would have to encode, and it does not decode.
    const form = new URLSearchParams({
      grant_type: 'client_credentials',
      response_type: 'token',
      client_id: client.clientId,
      ...(client.clientSecret ? { client_secret: client.clientSecret } : {}),
    })
    const answer = await transport.exchange({
      method: 'POST',
      url: client.tokenUrl,
      headers: { accept: 'application/json', 'content-type': 'application/x-www-form-urlencoded' },
      body: form.toString(),
    })
    if (answer.status === 400 || answer.status === 401 || answer.status === 403)
      throw refusedByTokenServer(answer.status)
    if (answer.status !== 200) throw transient(answer, 'the token', now())
    return readGrant(answer.body, answer.status)
  }

  const { header, forget } = sharedToken(request, now)
  return { header, drop: forget }
}

function readGrant(body: Buffer, status: number): { value: string; lifeMs: number } | never {
  const grant = parse(body)
  const value = grant?.access_token
  const seconds = Number(grant?.expires_in ?? DEFAULT_LIFE_S)
  if (typeof value !== 'string' || value === '' || !(seconds > 0))
    throw refusedByTokenServer(status) satisfies SluiceError
  return { value, lifeMs: seconds * 1_000 }
}

function parse(body: Buffer): Record<string, unknown> | undefined {
  try {
    return JSON.parse(body.toString()) as Record<string, unknown>
  } catch (thrown) {
    // A page of HTML with status 200, as a router in between shows it.
    if (thrown instanceof SyntaxError) return undefined
    throw thrown
  }
}
