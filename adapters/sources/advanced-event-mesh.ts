import type { AuthSpec, Source } from '#domain/source'
import { MAX_MESSAGE_BYTES, readMessages, type SharedParts } from './broker-message.ts'
import { checkAuth, verifyCaller } from './caller.ts'
import { checkOptions, misconfigured } from './options.ts'

/** Options of kind `advanced-event-mesh`. */
export interface AdvancedEventMeshOptions {
  /** The queue bound to the REST delivery point; names the source of events that name none. */
  readonly queue: string
  /** How the REST consumer authenticates: none, basic, OAuth, an own header (`api-key`), or a client certificate. */
  readonly auth: AuthSpec
  /** The request header that the queue binding fills with the topic (`${topic()}`); `x-address` by default. */
  readonly topicHeader?: string
}

const KIND = 'advanced-event-mesh'

/**
 * SAP Integration Suite, advanced event mesh: REST delivery points. Only 200 acknowledges, 202 and 204 do not, and what is
 * not acknowledged comes again every 30 s. There is no handshake. A delivery with `Solace-Reply-Wait-Time-In-ms` expects
 * a reply: it gets what everybody gets, and the header is kept with the delivery.
 * https://docs.solace.com/API/RESTMessagingPrtl/Solace-REST-Message-Encoding.htm
 */
export function advancedEventMesh(options: AdvancedEventMeshOptions, shared: SharedParts = {}): Source {
  checkOptions(KIND, options, ['queue', 'auth', 'topicHeader'])
  const auth = checkAuth(KIND, options.auth)
  const { queue, topicHeader = 'x-address' } = options
  if (!queue) throw misconfigured(KIND, 'queue', 'is empty', 'Give the name of the queue.')
  if (!/^[\w-]+$/.test(topicHeader)) {
    throw misconfigured(KIND, 'topicHeader', 'is no header name', 'Give the name the queue binding sets.')
  }
  const surroundings = { queue, addressHeader: topicHeader.toLowerCase(), ...shared }
  return {
    kind: KIND,
    acknowledge: 'always-ok',
    limits: { maxBytes: MAX_MESSAGE_BYTES, methods: ['POST'] },
    verify: (delivery, context) => verifyCaller(delivery, context, auth),
    normalize: (delivery) => readMessages(delivery, surroundings),
    reply: ({ outcome, delivery }) => ({
      status: 200,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ status: outcome, delivery }),
    }),
  }
}
