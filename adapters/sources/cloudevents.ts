import { CloudEvent, ValidationError } from 'cloudevents'
import type { AuthSpec, Delivery, Item, Reply, Source, SourceContext } from '#domain/source'
import { refuse, type Verification } from '#domain/verification'
import { bad, contentType, mediaType } from './body.ts'
import { checkAuth, verifyCaller } from './caller.ts'
import { type Envelope, readCloudEvents } from './cloudevents-binding.ts'
import { countDelivery } from './cloudevents-grants.ts'
import {
  answerHandshake,
  compileHandshake,
  type HandshakeOptions,
  isHandshake,
  originOf,
  senderOf,
} from './cloudevents-handshake.ts'
import { privately, type ReplyAs, replyTo } from './cloudevents-reply.ts'
import { joinId, toItem } from './draft.ts'
import { checkOneOf, checkOptions, misconfigured } from './options.ts'
import { toRfc3339 } from './timestamp.ts'

/** Options of kind `cloudevents`. */
export interface CloudeventsOptions extends HandshakeOptions {
  /** How callers prove who they are; `{ kind: 'none' }` has to be said. */
  readonly auth: AuthSpec
  /** A delivery without payload, or in no format of CloudEvents, is answered 415; it waits in quarantine by default. */
  readonly strict?: boolean
  /** Whether answers are events in binary mode; `status` by default, because some brokers publish such answers. */
  readonly replyAs?: ReplyAs
}

const OPTIONS = ['auth', 'allowedOrigins', 'allowedRate', 'callback', 'strict', 'replyAs']

/**
 * Any CloudEvents 1.0 sender over HTTP (binary, structured, batch), with the webhook handshake. An event that breaks the
 * specification goes to quarantine. https://github.com/cloudevents/spec/tree/v1.0.2/cloudevents
 */
export function cloudevents(options: CloudeventsOptions): Source {
  checkOptions('cloudevents', options, OPTIONS)
  const auth = checkAuth('cloudevents', options.auth)
  const rules = compileHandshake('cloudevents', options)
  const { strict = false, replyAs = 'status', allowedOrigins = [] } = options
  checkOneOf('cloudevents', 'replyAs', replyAs, ['status', 'event'])
  if (typeof strict !== 'boolean') throw misconfigured('cloudevents', 'strict', 'is no boolean', 'Use true or false.')
  const isProtected = allowedOrigins.length > 0
  const anyOrigin = allowedOrigins.includes('*')

  /** Once permission is by origin, a sender must name itself with every delivery (§2.1, §4.1.2). */
  const isForeign = (sender: string | null | undefined): boolean =>
    sender === null || (isProtected && (sender === undefined ? !anyOrigin : !rules.allows(sender)))

  async function greet(delivery: Delivery, context: SourceContext): Promise<Reply> {
    const caller = await verifyCaller(delivery, context, auth)
    // Where nobody has to prove anything everybody is a stranger, but for the names that are configured.
    const isKnown = caller.ok === true && (auth.kind !== 'none' || rules.names(originOf(delivery)))
    return privately(await answerHandshake(delivery, context, rules, isKnown), delivery)
  }

  async function verify(delivery: Delivery, context: SourceContext): Promise<Verification> {
    const sender = senderOf(delivery)
    if (isForeign(sender)) return refuse('origin-not-allowed', 403)
    const caller = await verifyCaller(delivery, context, auth)
    if (caller.ok !== true) return caller
    // Only now: a stranger must not use up what somebody else was granted.
    const waitMs = await countDelivery(context, sender ?? '', rules.rate)
    if (waitMs !== undefined) {
      return { ...refuse('rate-exceeded', 429), headers: { 'retry-after': String(Math.ceil(waitMs / 1_000)) } }
    }
    return strict && !isUnderstood(delivery) ? refuse('format-not-understood', 415) : caller
  }

  const handshake: Source['handshake'] = (delivery, context) =>
    isHandshake(delivery) ? greet(delivery, context) : undefined

  return {
    kind: 'cloudevents',
    // Who names no origin has no such handshake: OPTIONS is then answered 405.
    ...(isProtected ? { handshake } : {}),
    ...(rules.callback ? { hosts: rules.callback.hosts } : {}),
    verify,
    normalize: (delivery) =>
      readCloudEvents(delivery, 'strict')?.map((event) => (event.ok ? toStrictItem(event) : event)) ?? [
        bad('attribute-missing', 'specversion'),
      ],
    reply: (outcome, delivery, ends) => replyTo(outcome, delivery, ends, replyAs),
  }
}

const FORMATS = ['application/cloudevents+json', 'application/cloudevents-batch+json']
const REQUIRED = ['specversion', 'id', 'source', 'type']

/** By the headers alone (HTTP binding §3): whether there is a payload and this is one of the three modes. */
function isUnderstood(delivery: Delivery): boolean {
  const media = mediaType(contentType(delivery))
  if (media === undefined || delivery.body.length === 0) return false
  if (media.startsWith('application/cloudevents')) return FORMATS.includes(media)
  return REQUIRED.every((name) => delivery.headers[`ce-${name}`] !== undefined)
}

function toStrictItem(event: Envelope): Item {
  const { attributes } = event
  for (const name of REQUIRED) {
    if (!attributes[name]) return bad('attribute-missing', name)
  }
  if (attributes.specversion !== '1.0') return bad('attribute-invalid', 'specversion')
  const broken = findViolation(attributes)
  return broken ? bad('attribute-invalid', broken) : fromEnvelope(event)
}

/** Longest attribute value that is looked at: the schema's pattern for URIs is not linear. */
const MAX_VALUE_LENGTH = 2_048
/** RFC 2046 media type, which the schema does not check. */
const MEDIA_TYPE = /^[\w!#$&^.+-]+\/[\w!#$&^.+-]+\s*(?:;.*)?$/

/** Of an RFC 3339 time; `Date` and the schema also take hours that no day has. */
const OFFSET = /(?:[Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/

/** The name of an attribute that breaks the specification's own JSON schema. Data stays out: it is not re-serialized. */
function findViolation(attributes: Envelope['attributes']): string | undefined {
  const long = Object.entries(attributes).find(([, value]) => value.length > MAX_VALUE_LENGTH)
  if (long) return long[0]
  const { datacontenttype, time } = attributes
  if (datacontenttype !== undefined && !MEDIA_TYPE.test(datacontenttype)) return 'datacontenttype'
  if (time !== undefined && !(OFFSET.test(time) && toRfc3339(time))) return 'time'
  try {
    new CloudEvent(attributes)
    return undefined
  } catch (thrown) {
    if (!(thrown instanceof ValidationError || thrown instanceof TypeError)) throw thrown
    const errors = thrown instanceof ValidationError ? thrown.errors : []
    const first = Array.isArray(errors) ? errors[0] : undefined
    const path = typeof first === 'object' ? first.instancePath : undefined
    return path?.slice(1) || 'name'
  }
}

/** The attributes that Sluice keeps; other extensions stay in the stored payload. */
const fromEnvelope = ({ attributes, data, dataBase64 }: Envelope): Item => {
  const { id = '', source = '', type = '', subject } = attributes
  return toItem({
    // The specification makes ids unique only within their source.
    identity: { id: joinId([source, id]) },
    attributes: {
      id,
      source,
      type,
      subject,
      providertype: type,
      time: attributes.time,
      datacontenttype: attributes.datacontenttype,
      dataschema: attributes.dataschema,
      partitionkey: attributes.partitionkey ?? subject,
      sequence: attributes.sequence,
      traceparent: attributes.traceparent,
      tracestate: attributes.tracestate,
    },
    nature: 'fact',
    data,
    dataBase64,
  })
}
