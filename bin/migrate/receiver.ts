import type { Channel } from './iflow.ts'
import { envName, isEventMesh, meshBroker } from './migration.ts'

export type Receiver =
  | { readonly target: object; readonly todo: readonly string[] }
  | { readonly target: undefined; readonly todo: readonly string[] }

const ODATA_PATHS = [
  [/\/sap\/opu\/odata\//i, 'odata-v2'],
  [/\/sap\/opu\/odata4\//i, 'odata-v4'],
] as const

/** The target that a receiver channel becomes: OData services and Event Mesh. Credentials are named, never taken. */
export function targetOf(name: string, { adapter, settings }: Channel): Receiver {
  if (adapter === 'AMQP' && isEventMesh(settings)) return publisherOf(name, settings.destinationName ?? '')
  const address = cleanAddress(settings.address || settings.httpAddressWithoutQuery || '')
  const kind = kindOf(adapter, settings.MessageProtocol, address)
  if (!kind) return { target: undefined, todo: [`No target has this adapter: call ${address || 'it'} in the handler.`] }
  const entity = entityOf(settings.resourcePath)
  const todo = entity
    ? [`Add ${entity} to targets.${name}.entities with its key and, for creates, "reference" (${settings.operation}).`]
    : []
  if (settings.proxyType && !/^(default|internet)$/i.test(settings.proxyType)) {
    const made = `Create the BTP destination ${name} (proxy type OnPremise) with the address ${address || 'of the flow'}.`
    return { target: { kind, destination: name }, todo: [made, ...todo] }
  }
  const { auth, open } = authOf(name, settings.authenticationMethod ?? '')
  const url = address || envName(name, 'URL')
  return { target: { kind, url, auth }, todo: [...open, ...todo] }
}

/** Written by AMQP there, by REST here. */
function publisherOf(name: string, destination: string): Receiver {
  const broker = { ...meshBroker(name), namespace: envName(name, 'NAMESPACE') }
  const [, topic] = /^topic:([^{}$]+)$/i.exec(destination) ?? []
  const call = `In the handler: await targets.${name}.publish(event${topic ? `, { topic: '${topic}' }` : ', { topic }'}).`
  const queue = /^queue:/i.test(destination) ? ' A queue is not written to directly: subscribe it to a topic.' : ''
  return { target: { kind: 'event-mesh', broker }, todo: [`${call}${queue} What goes out is a CloudEvent.`] }
}

function kindOf(adapter: string, protocol = '', address: string | undefined): string | undefined {
  if (adapter === 'HCIOData' || adapter === 'OData') return /V4/i.test(protocol) ? 'odata-v4' : 'odata-v2'
  return adapter === 'HTTP' ? ODATA_PATHS.find(([path]) => path.test(address ?? ''))?.[1] : undefined
}

function authOf(name: string, method: string): { auth: object; open: readonly string[] } {
  const basic = { kind: 'basic', user: envName(name, 'USER'), password: envName(name, 'PASSWORD') }
  if (/^basic/i.test(method)) return { auth: basic, open: [] }
  if (/^(none)?$/i.test(method)) return { auth: { kind: 'none' }, open: [] }
  if (/oauth2?.*client.*credentials/i.test(method)) {
    const client = { clientId: envName(name, 'CLIENT_ID'), clientSecret: envName(name, 'CLIENT_SECRET') }
    return { auth: { kind: 'oauth2', tokenUrl: envName(name, 'TOKEN_URL'), ...client }, open: [] }
  }
  return {
    auth: basic,
    open: [`Its authentication (${method}) needs a BTP destination: name it in place of url and auth.`],
  }
}

/** A literal address without user, query and fragment, which may hold secrets; none where it is made at run time. */
function cleanAddress(address: string): string | undefined {
  if (!URL.canParse(address) || /\$\{|\{\{/.test(address)) return undefined
  const { protocol, origin, pathname } = new URL(address)
  return /^https?:$/.test(protocol) ? `${origin}${pathname}`.replace(/\/$/, '') : undefined
}

/** `A_SalesOrder(SalesOrder='${header.id}')` → `A_SalesOrder`. */
const entityOf = (path = ''): string | undefined => /^\/?([A-Za-z_]\w{0,127})/.exec(path)?.[1]
