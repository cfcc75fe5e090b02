import { canonicalPath, isHttpPath } from '#domain/http-path'
import type { Channel, Flow } from './iflow.ts'
import { envName, isEventMesh, PULL_HINT, pulledSource } from './migration.ts'

/** What a sender channel becomes. `address` tells two of them apart: one path, or one queue; absent where nobody knows. */
export type Sender =
  | { readonly address?: string; readonly path: string; source(name: string): Source }
  | { readonly hint: string }

interface Source {
  readonly source: object
  readonly todo: readonly string[]
}

const MEGABYTE = 1024 * 1024
const MAX_KEPT = 50

/** @param queue where Event Mesh calls the flow: the queue of that webhook subscription */
export function senderOf(channel: Channel, flow: Flow, queue: string | undefined): Sender {
  const { adapter, settings } = channel
  if (adapter === 'HTTPS') return byHttps(settings.urlPath ?? '', channel, flow, queue)
  if (/^(SOAP|IDOC|XI)$/i.test(adapter)) return bySoap(settings.address ?? '', channel, flow)
  if (adapter === 'AMQP' && isEventMesh(settings)) return fromQueue(settings.destinationName ?? '')
  // SAP's adapter, and Solace's own of the same settings.
  if (/EventMesh|SolacePubSub/i.test(adapter)) return fromAdvancedEventMesh(settings)
  return { hint: hintFor(adapter) }
}

function byHttps(address: string, channel: Channel, flow: Flow, queue: string | undefined): Sender {
  // The address of the channel is below `/http`; some write that too.
  const path = address.trim().replace(/^\/*http(?=\/)/i, '')
  if (!isHttpPath(path)) return { hint: `Its address "${address}" is no path: write the source by hand.` }
  if (queue !== undefined) {
    return {
      address: queue,
      path,
      source(name) {
        const { auth, todo } = callersOf(name, channel)
        return { source: { kind: 'event-mesh', queue, auth }, todo }
      },
    }
  }
  return {
    address: canonicalPath(path),
    path,
    source(name) {
      const { auth, todo } = callersOf(name, channel)
      // On unless the channel says otherwise, here as there.
      const csrf = /^(0|false)$/.test(channel.settings.xsrfProtection ?? '') ? { csrf: false } : {}
      return { source: { ...httpSource(path, auth, channel, flow), ...csrf }, todo }
    },
  }
}

/** Envelopes are bodies like any other; a SOAP client fetches no token. */
function bySoap(address: string, channel: Channel, flow: Flow): Sender {
  const path = address.trim().replace(/^\/*cxf(?=\/)/i, '')
  if (!isHttpPath(path)) return { hint: `Its address "${address}" is no path: write the source by hand.` }
  return {
    address: canonicalPath(path),
    path,
    source(name) {
      const { auth, todo } = callersOf(name, channel)
      const moved = `Its path changes from /cxf/${canonicalPath(path)} to /http/${canonicalPath(path)}, and no WSDL is served.`
      const answer =
        'A caller that wants a SOAP answer: "replyWhen": "handled", "replyType": "text/xml", and return the envelope.'
      return { source: { ...httpSource(path, auth, channel, flow), csrf: false }, todo: [...todo, moved, answer] }
    },
  }
}

function httpSource(path: string, auth: object, { settings }: Channel, flow: Flow): object {
  const megabytes = Number(settings.maximumBodySize)
  const keep = keptOf(flow.settings.allowedHeaderList ?? '')
  return {
    kind: 'http',
    path: canonicalPath(path),
    auth,
    ...(Number.isInteger(megabytes) && megabytes > 0 ? { maxBytes: megabytes * MEGABYTE } : {}),
    ...(keep.length > 0 ? { keep } : {}),
  }
}

/** Headers that the flow lets in, but not by pattern; `SAP_…` are kept anyway. */
const keptOf = (allowed: string): readonly string[] =>
  [...new Set(allowed.split(/[|,;\s]+/))]
    .filter((name) => /^[A-Za-z0-9][\w.-]{0,99}$/.test(name) && !NEVER_KEPT.test(name) && !/^SAP_/i.test(name))
    .slice(0, MAX_KEPT)

const NEVER_KEPT = /^(authorization|proxy-authorization|cookie|x-csrf-token)$/i

function fromQueue(destination: string): Sender {
  const queue = destination.replace(/^queue:/i, '')
  return {
    ...placeOf(queue),
    source: (name) => ({
      source: pulledSource(name, isKnown(queue) ? queue : undefined),
      todo: [PULL_HINT, 'Undeploy the flow before Sluice starts: a queue gives each message to one reader only.'],
    }),
  }
}

/**
 * `queueName` with the consumer mode *Guaranteed*; the two others listen to topics. The names are those of the adapter's
 * version 1.3, as SolaceLabs' generator of flows writes them (github.com/SolaceLabs/solace-ep-codegen).
 */
function fromAdvancedEventMesh({ queueName = '', topicSubscriptions = '', dteTopicName = '' }: Channel['settings']) {
  const topics = [...topicSubscriptions.matchAll(/>([^<>]+)<\/cell>/g)].map(([, topic]) => topic).join(', ')
  const listened = topics || dteTopicName
  const push = 'The broker pushes here: create a REST delivery point for the queue, then undeploy the flow.'
  const created = `It reads no queue but topics${listened ? ` (${listened})` : ''}: create a queue that subscribes to them.`
  return {
    ...placeOf(queueName),
    source: (own: string) => ({
      source: {
        kind: 'advanced-event-mesh',
        queue: isKnown(queueName) ? queueName : envName(own, 'QUEUE'),
        auth: { kind: 'basic', users: { broker: envName(own, 'PASSWORD') } },
      },
      todo: [...(queueName === '' ? [created] : []), push],
    }),
  }
}

/** Literally, and neither externalized without a value nor made at run time. */
const isKnown = (queue: string): boolean => queue !== '' && !/[{}$]/.test(queue)

const placeOf = (queue: string): { address?: string; path: string } =>
  isKnown(queue) ? { address: `queue ${queue}`, path: queue.split('/').at(-1) ?? queue } : { path: 'mesh' }

function callersOf(name: string, { settings }: Channel): { auth: object; todo: readonly string[] } {
  const { senderAuthType = settings.authenticationMethod ?? '', userRole = '' } = settings
  if (/certificate/i.test(senderAuthType)) {
    const auth = {
      kind: 'certificate',
      from: 'cloud-foundry',
      subject: envName(name, 'SUBJECT'),
      issuer: envName(name, 'ISSUER'),
    }
    return { auth, todo: ['Set subject and issuer of the client certificate, as in the channel.'] }
  }
  const auth = { kind: 'basic', users: { caller: envName(name, 'PASSWORD') } }
  const role = userRole && userRole !== 'ESBMessaging.send' ? ` with the role ${userRole}` : ''
  const known = senderAuthType === '' || /^RoleBased$/i.test(senderAuthType)
  const was = known ? `The flow takes whom the tenant knows${role}` : `The flow's authentication is ${senderAuthType}`
  return {
    auth,
    todo: [`${was}; written is Basic for the one user "caller". Name your callers, or use xsuaa, oidc or certificate.`],
  }
}

function hintFor(adapter: string): string {
  if (/AMQP/i.test(adapter)) return 'Its broker is not Event Mesh: let it push to a source of kind http or cloudevents.'
  if (/OData/i.test(adapter)) return 'Serve OData with CAP itself.'
  if (/AS2|AS4/i.test(adapter))
    return 'Nothing here speaks it: keep the gateway for it, and let that post to kind http.'
  if (adapter === 'ProcessDirect') return 'Called by another flow: make it a function that handlers share.'
  return 'Nothing here fetches in this way: a job of your own may post to a source of kind http.'
}
