import { randomUUID } from 'node:crypto'
import type { AuthSpec, Delivery, Item, Reply, Source, SourceContext } from '#domain/source'
import { bad, contentType, findEncodingProblem, mediaType, readPayload } from './body.ts'
import { checkAuth, verifyCaller } from './caller.ts'
import { type Envelope, readCloudEvents } from './cloudevents-binding.ts'
import { answerHandshake, compileHandshake, type HandshakeOptions, isHandshake } from './cloudevents-handshake.ts'
import { joinId, toItem } from './draft.ts'
import { parseJson } from './json.ts'
import { checkOptions, misconfigured } from './options.ts'
import { readS4Event, toSloppyMoment } from './s4-event.ts'

export interface EventMeshOptions extends HandshakeOptions {
  /** The queue whose webhook subscription delivers here; names the source of events that name none. */
  readonly queue: string
  /** How the broker proves who it is: the subscription's own authentication. */
  readonly auth: AuthSpec
}

/** Messages are up to 1 MB and batches larger; anything beyond is stored as *too large*, not refused. */
const MAX_BYTES = 8 * 1024 * 1024

/**
 * SAP Event Mesh webhook subscriptions (BTP, Integration Suite) and Advanced Event Mesh REST delivery points.
 * https://help.sap.com/docs/event-mesh. `acknowledge` is `always-ok`: a refused message comes back for a week and holds
 * one of 18 slots meanwhile, so content never is refused; what cannot be read waits in quarantine.
 *
 * The handshake asks for the same token as a delivery. Without `allowedOrigins` any *authenticated* origin is granted,
 * and with `auth: none` none is.
 */
export function eventMesh(options: EventMeshOptions): Source {
  checkOptions('event-mesh', options, ['queue', 'auth', 'allowedOrigins', 'allowedRate'])
  const auth = checkAuth('event-mesh', options.auth)
  if (!options.queue) throw misconfigured('event-mesh', 'queue', 'is empty', 'Give the full name of the queue.')
  const anyOrigin = options.allowedOrigins === undefined && auth.kind !== 'none'
  const rules = compileHandshake('event-mesh', anyOrigin ? { ...options, allowedOrigins: ['*'] } : options)

  async function handshake(delivery: Delivery, context: SourceContext): Promise<Reply | undefined> {
    if (!isHandshake(delivery)) return undefined
    const caller = await verifyCaller(delivery, context, auth)
    if (caller.ok === true) return answerHandshake(delivery, rules)
    if (caller.ok === false) return { status: caller.status ?? 401 }
    return { status: 503, headers: { 'retry-after': String(Math.ceil(caller.retryAfterMs / 1_000)) } }
  }

  return {
    kind: 'event-mesh',
    acknowledge: 'always-ok',
    limits: { maxBytes: MAX_BYTES, methods: ['POST'] },
    handshake,
    verify: (delivery, context) => verifyCaller(delivery, context, auth),
    normalize: (delivery) =>
      readCloudEvents(delivery)?.map((event) => (event.ok ? fromEnvelope(event, options.queue) : event)) ?? [
        fromPlain(delivery, options.queue),
      ],
  }
}

function fromEnvelope(event: Envelope, queue: string): Item {
  const { attributes } = event
  const { id, type, subject } = attributes
  if (!id) return bad('attribute-missing', 'id')
  if (!type) return bad('attribute-missing', 'type')
  const source = attributes.source || queue
  const { object, partitionkey, nature } = readS4Event(type, event.json)
  return toItem({
    identity: { id: joinId([source, id]) },
    attributes: {
      id,
      source,
      type,
      providertype: type,
      subject: subject || object?.key,
      time: toSloppyMoment(attributes.time),
      datacontenttype: attributes.datacontenttype,
      dataschema: attributes.dataschema || undefined,
      partitionkey: attributes.partitionkey || partitionkey || subject || undefined,
      sequence: attributes.sequence,
      traceparent: attributes.traceparent,
      tracestate: attributes.tracestate,
    },
    nature,
    object,
    data: event.data,
    dataBase64: event.dataBase64,
  })
}

/**
 * A message that is no CloudEvent: its topic is its type. It has no id, and equal content may well be two changes, so
 * each delivery is an event of its own.
 */
function fromPlain(delivery: Delivery, queue: string): Item {
  const problem = findEncodingProblem(delivery)
  if (problem) return problem
  const type = typeFromTopic(delivery)
  if (!type) return bad('unknown-topic', 'x-address')
  const payload = readPayload(delivery.body, contentType(delivery))
  const { object, partitionkey, nature } = readS4Event(
    type,
    payload.data === undefined ? undefined : parseJson(payload.data),
  )
  return toItem({
    identity: { none: true },
    attributes: {
      id: randomUUID(),
      source: queue,
      type,
      providertype: type,
      subject: object?.key,
      datacontenttype: mediaType(contentType(delivery)) ?? 'application/json',
      partitionkey,
    },
    nature,
    object,
    ...payload,
  })
}

/** `topic:<namespace>/ce/sap/s4/beh/…/Created/v1` → `sap.s4.beh.….Created.v1`; without `/ce/` the whole topic. */
function typeFromTopic(delivery: Delivery): string | undefined {
  const address = delivery.headers['x-address']?.[0]
  if (!address?.startsWith('topic:')) return undefined
  const topic = address.slice('topic:'.length)
  const event = topic.split('/ce/').at(-1) ?? topic
  return event.replaceAll('/', '.') || undefined
}
