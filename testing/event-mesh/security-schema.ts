import { Refusal } from '../routes.ts'
import { caller } from './caller.ts'

/** How the broker proves who it is to a webhook; `null` and absent: not at all. */
export type SecuritySchema =
  | { readonly type: 'basic'; readonly user: string; readonly password: string }
  | {
      readonly type: 'oauth2'
      readonly grantType: 'client_credentials'
      readonly clientId: string
      readonly clientSecret: string
      readonly tokenUrl: string
    }
  | {
      readonly type: 'oauth2-x509'
      readonly grantType: 'client_credentials'
      readonly clientId: string
      readonly certificate: string
      readonly key: string
      readonly tokenUrl: string
    }
  | { readonly type: 'apikey'; readonly name: string; readonly value: string }
  | { readonly type: 'x509'; readonly certificate: string; readonly key: string }

const needed: Readonly<Record<SecuritySchema['type'], readonly string[]>> = {
  basic: ['user', 'password'],
  oauth2: ['clientId', 'clientSecret', 'tokenUrl', 'grantType'],
  'oauth2-x509': ['clientId', 'certificate', 'key', 'tokenUrl', 'grantType'],
  apikey: ['name', 'value'],
  x509: ['certificate', 'key'],
}
const secrets = ['password', 'clientSecret', 'certificate', 'key', 'value']

/** @throws Refusal 400 */
export const checkSchema = (schema: SecuritySchema): void => {
  const given = schema as unknown as Readonly<Record<string, unknown>>
  const names = Object.hasOwn(needed, schema.type) ? needed[schema.type] : undefined
  if (!names) throw new Refusal(400, `Unknown security schema ${String(given.type)}`)
  const missing = names.find((name) => typeof given[name] !== 'string' || given[name] === '')
  if (missing) throw new Refusal(400, `securitySchema.${missing} is missing`)
}

/** What a reader of the subscription is told: no secret. */
export const withoutSecrets = (schema: SecuritySchema | null | undefined) =>
  schema ? Object.fromEntries(Object.entries(schema).filter(([name]) => !secrets.includes(name))) : null

export interface Authorizer {
  /** Headers that prove it; undefined where no token could be had. */
  headers(): Promise<Readonly<Record<string, string>> | undefined>
  /** After a 401. */
  forget(): void
}

export interface AuthorizerOptions {
  readonly timeoutMs: number
  /** PEM of authorities besides the usual ones. */
  readonly ca?: string | undefined
  /** Where an address leads that only a test's name service knows. */
  readonly reach?: ((url: string) => string) | undefined
}

/** Tokens are fetched from the named token endpoint and kept until five minutes before their end. */
export const authorizer = (
  schema: SecuritySchema | null | undefined,
  { timeoutMs, ca, reach = (url) => url }: AuthorizerOptions,
): Authorizer => {
  let token: { readonly value: string; readonly until: number } | undefined
  const call = caller({ timeoutMs, ca, ...(schema?.type === 'oauth2-x509' && schema) })

  const fetchToken = async (oauth: Extract<SecuritySchema, { tokenUrl: string }>) => {
    const secret = oauth.type === 'oauth2' ? oauth.clientSecret : undefined
    const form = {
      grant_type: 'client_credentials',
      response_type: 'token',
      ...(!secret && { client_id: oauth.clientId }),
    }
    const answer = await call({
      method: 'POST',
      url: reach(oauth.tokenUrl),
      headers: {
        'content-type': 'application/x-www-form-urlencoded',
        ...(secret && { authorization: basic(oauth.clientId, secret) }),
      },
      body: Buffer.from(new URLSearchParams(form).toString()),
    })
    if (answer?.status !== 200) return undefined
    const { access_token, expires_in } = JSON.parse(answer.body) as { access_token: string; expires_in: number }
    return { value: access_token, until: Date.now() + (expires_in - 300) * 1000 }
  }

  return {
    async headers() {
      if (!schema || schema.type === 'x509') return {}
      if (schema.type === 'basic') return { authorization: basic(schema.user, schema.password) }
      if (schema.type === 'apikey') return { [schema.name]: schema.value }
      if (!token || token.until <= Date.now()) token = await fetchToken(schema)
      return token && { authorization: `Bearer ${token.value}` }
    },
    forget() {
      token = undefined
    },
  }
}

const basic = (user: string, password: string): string =>
  `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`
