import { CloudEvent, ValidationError } from 'cloudevents'
import type { AuthSpec, Delivery, Item, Source } from '#domain/source'
import { refuse } from '#domain/verification'
import { bad } from './body.ts'
import { checkAuth, verifyCaller } from './caller.ts'
import { type Envelope, readCloudEvents } from './cloudevents-binding.ts'
import {
  answerHandshake,
  compileHandshake,
  type HandshakeOptions,
  isHandshake,
  requestOrigin,
} from './cloudevents-handshake.ts'
import { joinId, toItem } from './draft.ts'
import { checkOptions } from './options.ts'

export interface CloudeventsOptions extends HandshakeOptions {
  /** How callers prove who they are; `{ kind: 'none' }` has to be said. */
  readonly auth: AuthSpec
}

/**
 * Any CloudEvents 1.0 sender over HTTP (binary, structured, batch), with the webhook handshake. Strict: an event that
 * breaks the specification goes to quarantine. https://github.com/cloudevents/spec/tree/v1.0.2/cloudevents
 */
export function cloudevents(options: CloudeventsOptions): Source {
  checkOptions('cloudevents', options, ['auth', 'allowedOrigins', 'allowedRate'])
  const auth = checkAuth('cloudevents', options.auth)
  const rules = compileHandshake('cloudevents', options)
  const guarded = (options.allowedOrigins ?? []).length > 0

  /** Once permission is by origin, a sender must name itself with every delivery (webhook spec §4.1.2). */
  const isForeign = (delivery: Delivery): boolean => {
    const origin = requestOrigin(delivery)
    return origin === null || (guarded && origin !== undefined && !rules.allows(origin))
  }

  return {
    kind: 'cloudevents',
    handshake: (delivery) => (isHandshake(delivery) ? answerHandshake(delivery, rules) : undefined),
    verify: (delivery, context) =>
      isForeign(delivery) ? refuse('origin-not-allowed', 403) : verifyCaller(delivery, context, auth),
    normalize: (delivery) =>
      readCloudEvents(delivery)?.map((event) => (event.ok ? strict(event) : event)) ?? [
        bad('attribute-missing', 'specversion'),
      ],
  }
}

function strict(event: Envelope): Item {
  const { attributes } = event
  for (const name of ['specversion', 'id', 'source', 'type']) {
    if (!attributes[name]) return bad('attribute-missing', name)
  }
  if (attributes.specversion !== '1.0') return bad('attribute-invalid', 'specversion')
  const broken = findViolation(attributes)
  return broken ? bad('attribute-invalid', broken) : fromEnvelope(event)
}

/** Longest attribute value that is looked at: the schema's pattern for URIs is not linear. */
const MAX_VALUE_LENGTH = 2_048

/** The name of an attribute that breaks the specification's own JSON schema. Data stays out: it is not re-serialized. */
function findViolation(attributes: Envelope['attributes']): string | undefined {
  const long = Object.entries(attributes).find(([, value]) => value.length > MAX_VALUE_LENGTH)
  if (long) return long[0]
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
