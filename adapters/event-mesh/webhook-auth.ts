import { misconfigured } from './connection.ts'

/** How the broker proves who it is when it calls the webhook. https://help.sap.com/docs/integration-suite, webhooks. */
export type WebhookAuth =
  | { readonly kind: 'none' }
  | { readonly kind: 'basic'; readonly user: string; readonly password: string }
  | {
      readonly kind: 'oauth2'
      readonly tokenUrl: string
      readonly clientId: string
      readonly clientSecret: string
    }
  | {
      readonly kind: 'oauth2-x509'
      readonly tokenUrl: string
      readonly clientId: string
      readonly certificate: string
      readonly key: string
    }
  | { readonly kind: 'api-key'; readonly name: string; readonly value: string }
  | { readonly kind: 'x509'; readonly certificate: string; readonly key: string }

type SecuritySchema = Readonly<Record<string, string>> | null

const NEEDED = {
  none: [],
  basic: ['user', 'password'],
  oauth2: ['tokenUrl', 'clientId', 'clientSecret'],
  'oauth2-x509': ['tokenUrl', 'clientId', 'certificate', 'key'],
  'api-key': ['name', 'value'],
  x509: ['certificate', 'key'],
} as const satisfies Record<WebhookAuth['kind'], readonly string[]>

/** @throws SluiceError `configuration` */
export function checkWebhookAuth(auth: WebhookAuth): WebhookAuth {
  if (!Object.hasOwn(NEEDED, auth.kind)) {
    throw misconfigured('webhook.auth.kind is unknown.', `Use ${Object.keys(NEEDED).join(', ')}.`)
  }
  const given = auth as Readonly<Record<string, string | undefined>>
  const missing = NEEDED[auth.kind].find((name) => !given[name])
  if (missing) throw misconfigured(`webhook.auth.${missing} is empty.`, 'Is the environment variable set?')
  return auth
}

/**
 * What `pushConfig.securitySchema` holds. `oauth2` and `oauth2-x509` are spelled as CAP sends them, `basic` as SAP's
 * samples; for API keys and certificates SAP publishes no sample, and the spelling here has not been tried on a broker.
 */
export function toSecuritySchema(auth: WebhookAuth): SecuritySchema {
  switch (auth.kind) {
    case 'none':
      return null
    case 'basic':
      return { type: 'basic', user: auth.user, password: auth.password }
    case 'api-key':
      return { type: 'apikey', name: auth.name, value: auth.value }
    case 'x509':
      return { type: 'x509', certificate: auth.certificate, key: auth.key }
    default: {
      const { kind: type, ...rest } = auth
      return { type, grantType: 'client_credentials', ...rest }
    }
  }
}

/** The parts that a broker may show, for comparing. */
const PUBLIC = ['type', 'clientId', 'tokenUrl', 'user', 'name']

/** @param schema `null`: no authentication; `undefined`: the broker does not tell, and nothing is compared */
export function publicParts(schema: unknown): Readonly<Record<string, string>> {
  if (schema === null) return { type: 'none' }
  if (typeof schema !== 'object') return {}
  return Object.fromEntries(
    Object.entries(schema).filter(
      (entry): entry is [string, string] => PUBLIC.includes(entry[0]) && typeof entry[1] === 'string',
    ),
  )
}
