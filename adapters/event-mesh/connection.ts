import { SluiceError } from '#domain/errors'

/** OAuth 2.0 client credentials, with a secret or with a certificate of the client's own (RFC 8705). */
export interface MeshClient {
  readonly tokenUrl: string
  readonly clientId: string
  readonly clientSecret?: string
  /** PEM, with `key`. */
  readonly certificate?: string
  readonly key?: string
}

interface Api {
  /** Without path. */
  readonly url: string
  readonly client: MeshClient
}

/** How to reach one message client of an Event Mesh: messages always, management where the binding allows it. */
export interface MeshConnection {
  readonly messaging: Api
  readonly management?: Api & { readonly basePath: string }
  /** Of the message client, e.g. `default/my.app/1`. */
  readonly namespace?: string
  /** PEM of a certificate authority to trust besides the usual ones. */
  readonly ca?: string
}

/** Management paths of the two products. */
const DIALECTS = {
  'event-mesh': '/hub/rest/api/v1/management/messaging',
  'integration-suite': '/sap-event-mesh/rest/api/v1',
} as const

/** Which of SAP's two management APIs: Event Mesh on BTP, or that of Integration Suite. */
export type MeshDialect = keyof typeof DIALECTS

/** What may stand under `broker` instead of a service binding. */
export interface MeshAddress {
  readonly url: string
  /** Where it is not the same host. */
  readonly managementUrl?: string
  readonly dialect?: MeshDialect
  readonly tokenUrl: string
  readonly clientId: string
  readonly clientSecret?: string
  readonly certificate?: string
  readonly key?: string
  readonly namespace?: string
  readonly ca?: string
}

const ADDRESS = [
  'url',
  'managementUrl',
  'dialect',
  'tokenUrl',
  'clientId',
  'clientSecret',
  'certificate',
  'key',
  'namespace',
  'ca',
]

/** A service of CAP, as `cds.requires.<name>` has it once its binding is found. */
export interface MeshService {
  readonly credentials?: unknown
  /** CAP's own setting that tells Integration Suite from the classic service. */
  readonly managementBasePath?: string
}

/**
 * A broker by its address and credentials.
 * @throws SluiceError `configuration` naming what is missing, never its value
 */
export function connectionOf(address: MeshAddress): MeshConnection {
  const odd = Object.keys(address).find((name) => !ADDRESS.includes(name))
  if (odd) throw misconfigured(`broker.${odd} is not a setting.`, `Use one of ${ADDRESS.join(', ')}.`)
  const { dialect = 'event-mesh', namespace, ca } = address
  if (!Object.hasOwn(DIALECTS, dialect)) {
    throw misconfigured('broker.dialect is unknown.', `Use ${Object.keys(DIALECTS).join(' or ')}.`)
  }
  const client = checkClient({
    tokenUrl: address.tokenUrl,
    clientId: address.clientId,
    ...(address.clientSecret ? { clientSecret: address.clientSecret } : {}),
    ...(address.certificate ? { certificate: address.certificate } : {}),
    ...(address.key ? { key: address.key } : {}),
  })
  return {
    messaging: { url: checkUrl(address.url, 'url'), client },
    management: {
      url: checkUrl(address.managementUrl ?? address.url, 'managementUrl'),
      basePath: DIALECTS[dialect],
      client,
    },
    ...(namespace ? { namespace } : {}),
    ...(ca ? { ca } : {}),
  }
}

/**
 * The binding of a message client, as both products write it: `messaging[]` with a REST protocol, `management[]`, and
 * `uaa` with a certificate where the binding has one instead of a secret.
 * @throws SluiceError `configuration`
 */
export function connectionOfService(name: string, service: MeshService | undefined): MeshConnection {
  const binding = service?.credentials as Binding | undefined
  if (!binding) {
    throw misconfigured(`there is no service ${name} with credentials.`, 'Bind one, or write the address under broker.')
  }
  const rest = (binding.messaging ?? []).find(({ protocol }) => [protocol].flat().includes('httprest'))
  if (!rest?.oa2 || !rest.uri) {
    throw misconfigured(`service ${name} has no messaging of protocol httprest.`, 'Enable "messagingrest" for it.')
  }
  const [management] = binding.management ?? []
  return {
    messaging: { url: checkUrl(rest.uri, 'messaging.uri'), client: clientOf(rest.oa2, binding.uaa) },
    ...(management?.oa2 && management.uri
      ? {
          management: {
            url: checkUrl(management.uri, 'management.uri'),
            basePath: service?.managementBasePath ?? DIALECTS['event-mesh'],
            client: clientOf(management.oa2, binding.uaa),
          },
        }
      : {}),
    ...(binding.namespace ? { namespace: binding.namespace } : {}),
  }
}

interface Oa2 {
  readonly clientid?: string
  readonly clientsecret?: string
  readonly tokenendpoint?: string
}

interface Uaa {
  readonly certificate?: string
  readonly key?: string
  readonly certurl?: string
}

interface Binding {
  readonly namespace?: string
  readonly messaging?: readonly { protocol?: string | readonly string[]; uri?: string; oa2?: Oa2 }[]
  readonly management?: readonly { uri?: string; oa2?: Oa2 }[]
  readonly uaa?: Uaa
}

function clientOf({ clientid = '', clientsecret, tokenendpoint = '' }: Oa2, uaa: Uaa | undefined): MeshClient {
  if (!uaa?.certificate || !uaa.key || !uaa.certurl) {
    const secret = clientsecret ? { clientSecret: clientsecret } : {}
    return checkClient({ tokenUrl: tokenendpoint, clientId: clientid, ...secret })
  }
  const tokenUrl = `${uaa.certurl.replace(/\/$/, '')}/oauth/token`
  return checkClient({ tokenUrl, clientId: clientid, certificate: uaa.certificate, key: uaa.key })
}

function checkClient(client: MeshClient): MeshClient {
  if (!client.clientId) throw misconfigured('the client id is empty.', 'Is the binding complete?')
  checkUrl(client.tokenUrl, 'tokenUrl')
  if (client.clientSecret || (client.certificate && client.key)) return client
  throw misconfigured('the client has neither a secret nor certificate and key.', 'Is the environment variable set?')
}

function checkUrl(text: string, what: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (!url || !/^https?:$/.test(url.protocol) || url.username || url.search) {
    throw misconfigured(`${what} is no plain http or https address.`, 'Give the full address, without credentials.')
  }
  return text.replace(/\/$/, '')
}

export const misconfigured = (problem: string, remedy: string): SluiceError =>
  new SluiceError('configuration', `Event Mesh: ${problem}`, { retry: 'never', remedy })
