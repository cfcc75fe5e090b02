import { randomUUID, X509Certificate } from 'node:crypto'
import {
  type CryptoKey,
  createLocalJWKSet,
  errors,
  exportJWK,
  generateKeyPair,
  type JWK,
  jwtVerify,
  SignJWT,
} from 'jose'
import { answerJson, type HttpAnswer, type HttpRequest } from '../http.ts'
import type { TokenClient } from './options.ts'

const longLifeSeconds = 43_199
const zone = '8f7d1c4e-6f0e-4d0b-9a55-2f2f2f2f2f2f'

interface SigningKey {
  readonly kid: string
  readonly privateKey: CryptoKey
  readonly jwk: JWK
}

const newKey = async (kid: string): Promise<SigningKey> => {
  const { publicKey, privateKey } = await generateKeyPair('RS256')
  return { kid, privateKey, jwk: { ...(await exportJWK(publicKey)), kid, use: 'sig', alg: 'RS256' } }
}

/** As XSUAA: client credentials in, RS256 tokens out, keys at `/token_keys`. Tokens live in real time. */
export class TokenService {
  readonly #clients: readonly TokenClient[]
  readonly #issuer: string
  readonly #lifetimeSeconds: number
  #keys: readonly SigningKey[]
  /** `jti` of the tokens that are good. */
  readonly #live = new Set<string>()
  /** How many were issued. */
  issued = 0

  static async start(
    url: string,
    clients: readonly TokenClient[],
    lifetimeSeconds: number = longLifeSeconds,
  ): Promise<TokenService> {
    return new TokenService(url, clients, lifetimeSeconds, await newKey('default-jwt-key-1'))
  }

  private constructor(url: string, clients: readonly TokenClient[], lifetimeSeconds: number, key: SigningKey) {
    this.#lifetimeSeconds = lifetimeSeconds
    this.#issuer = url
    this.#clients = clients
    this.#keys = [key]
  }

  /** No token is good any longer, whatever its end says. */
  revoke(): void {
    this.#live.clear()
  }

  /** Signs with a new key from now on; the old one stays published. */
  async rotate(): Promise<string> {
    const key = await newKey(`default-jwt-key-${this.#keys.length + 1}`)
    this.#keys = [key, ...this.#keys]
    return key.kid
  }

  jwks(): { keys: JWK[] } {
    return { keys: this.#keys.map(({ jwk }) => jwk) }
  }

  /**
   * `POST /oauth/token`, and `GET`, as CAP asks: Basic, the client in the form, or the client's certificate; the grant in
   * the form or the query.
   */
  async issue(request: HttpRequest): Promise<HttpAnswer> {
    const form = new URLSearchParams(request.body.toString())
    const query = new URL(request.url, this.#issuer).searchParams
    if ((form.get('grant_type') ?? query.get('grant_type')) !== 'client_credentials') {
      return answerJson(400, { error: 'unsupported_grant_type', error_description: 'Only client_credentials' })
    }
    const basic = /^Basic (.+)$/.exec(request.headers.authorization ?? '')?.[1]
    const [id, secret] = basic
      ? Buffer.from(basic, 'base64').toString().split(/:(.*)/s)
      : [form.get('client_id'), form.get('client_secret')]
    const proved = (client: TokenClient): boolean =>
      client.certificate
        ? request.certificate?.equals(new X509Certificate(client.certificate).raw) === true
        : client.clientSecret === secret
    const client = this.#clients.find((one) => one.clientId === id && proved(one))
    if (!client) return answerJson(401, { error: 'unauthorized', error_description: 'Bad credentials' })
    this.issued++
    return answerJson(200, {
      access_token: await this.#sign(client),
      token_type: 'bearer',
      expires_in: this.#lifetimeSeconds,
      scope: client.scopes.join(' '),
      jti: randomUUID(),
    })
  }

  /** Whether a caller of the messaging APIs has a token of ours. */
  async isKnown(request: HttpRequest): Promise<boolean> {
    const token = /^Bearer (.+)$/i.exec(request.headers.authorization ?? '')?.[1]
    if (!token) return false
    try {
      const keys = createLocalJWKSet(this.jwks())
      const { payload } = await jwtVerify(token, keys, { issuer: `${this.#issuer}/oauth/token` })
      return this.#live.has(payload.jti ?? '')
    } catch (error) {
      if (error instanceof errors.JOSEError) return false
      throw error
    }
  }

  #sign(client: TokenClient): Promise<string> {
    const [key] = this.#keys
    if (!key) throw new Error('the token service has no key')
    const { clientId, scopes, audience } = client
    const jti = randomUUID()
    this.#live.add(jti)
    return new SignJWT({
      jti,
      ext_attr: { enhancer: 'XSUAA', zdn: 'sluice' },
      authorities: scopes,
      scope: scopes,
      client_id: clientId,
      cid: clientId,
      azp: clientId,
      grant_type: 'client_credentials',
      zid: zone,
    })
      .setProtectedHeader({ alg: 'RS256', jku: `${this.#issuer}/token_keys`, kid: key.kid, typ: 'JWT' })
      .setSubject(clientId)
      .setIssuer(`${this.#issuer}/oauth/token`)
      .setAudience([...audience])
      .setIssuedAt()
      .setExpirationTime(`${this.#lifetimeSeconds}s`)
      .sign(key.privateKey)
  }
}
