import { type CryptoKey, exportJWK, generateKeyPair, type JWTPayload, SignJWT } from 'jose'
import { NOW } from './deliveries.ts'
import { serve } from './http-server.ts'

export interface Answer {
  readonly status: number
  readonly body: string
}

/** An OpenID Connect issuer over HTTP: metadata, keys, and tokens of any content. */
export async function startIssuer() {
  const asked: string[] = []
  const answers = new Map<string, Answer>()
  const server = await serve((request, response) => {
    asked.push(request.url ?? '')
    const { status, body } = answers.get(request.url ?? '') ?? { status: 404, body: '' }
    response.writeHead(status, { 'content-type': 'application/json' }).end(body)
  })
  const issuer = server.url
  const json = (path: string, value: unknown, status = 200) =>
    answers.set(path, { status, body: typeof value === 'string' ? value : JSON.stringify(value) })

  async function publish(kid: string): Promise<CryptoKey> {
    const { publicKey, privateKey } = await generateKeyPair('RS256')
    json('/certs', { keys: [{ ...(await exportJWK(publicKey)), kid, use: 'sig', alg: 'RS256' }] })
    return privateKey
  }

  let key = await publish('k1')
  let kid = 'k1'
  json('/.well-known/openid-configuration', { issuer, jwks_uri: `${issuer}/certs` })
  const exp = Math.floor(NOW.getTime() / 1_000) + 3_600
  return {
    issuer,
    asked,
    json,
    close: server.close,
    /** Signs with a new key from now on, and publishes only that. */
    async rotate(next: string): Promise<void> {
      key = await publish(next)
      kid = next
    },
    token: (claims: JWTPayload, signer = key): Promise<string> =>
      new SignJWT({ iss: issuer, exp, ...claims }).setProtectedHeader({ alg: 'RS256', kid }).sign(signer),
  }
}
