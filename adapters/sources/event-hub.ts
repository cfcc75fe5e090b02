import type { AuthSpec, Delivery, Item, Source } from '#domain/source'
import { bad } from './body.ts'
import { MAX_MESSAGE_BYTES, readMessages, type SharedParts } from './broker-message.ts'
import { checkAuth, verifyCaller } from './caller.ts'
import { checkOptions, misconfigured } from './options.ts'

/** Options of kind `event-hub`. */
export interface EventHubOptions {
  /** `ias` with the client id of the Event Hub binding (`ias.clientId`), or `certificate`. */
  readonly auth: AuthSpec
  /** The consumer tenant events must be for; events for another one go to quarantine. */
  readonly tenant?: string
  /** The path of `webhookUrl`, where it is not `/webhooks/<source>`: CAP's own one by default. */
  readonly webhookPath?: string
}

/** What CAP's plug-in `@cap-js/event-broker` registers. */
const CAP_PATH = '/-/cds/event-broker/webhook'

/**
 * SAP Cloud Application Event Hub: CloudEvents in binary mode, `ce-sapconsumertenant`, no handshake, 200 as CAP answers.
 * Content is never refused. https://help.sap.com/docs/event-broker
 */
export const eventHub = (options: EventHubOptions, shared: SharedParts = {}): Source =>
  createEventHub('event-hub', options, shared)

export function createEventHub(kind: string, options: EventHubOptions, shared: SharedParts): Source {
  checkOptions(kind, options, ['auth', 'tenant', 'webhookPath'])
  const auth = checkAuth(kind, options.auth)
  const { tenant, webhookPath = CAP_PATH } = options
  if (tenant === '') throw misconfigured(kind, 'tenant', 'is empty', 'Give the consumer tenant, or leave it out.')
  if (!/^\/-\/[^?#\s]+$/.test(webhookPath)) {
    throw misconfigured(kind, 'webhookPath', 'is no path below /-/', `Give it as in ${CAP_PATH}.`)
  }
  return {
    kind,
    acknowledge: 'always-ok',
    aliases: [{ path: webhookPath }],
    limits: { maxBytes: MAX_MESSAGE_BYTES, methods: ['POST'] },
    verify: (delivery, context) => verifyCaller(delivery, context, auth),
    normalize: (delivery) =>
      isForeign(delivery, tenant) ? [FOREIGN] : readMessages(delivery, { ...SURROUNDINGS, ...shared }),
    reply: () => OK,
  }
}

const SURROUNDINGS = { queue: 'event-hub', addressHeader: 'x-address' } as const
const FOREIGN: Item = bad('attribute-invalid', 'sapconsumertenant')
const OK = { status: 200, headers: { 'content-type': 'application/json' }, body: '{"message":"OK"}' } as const

const isForeign = ({ headers }: Delivery, tenant: string | undefined): boolean =>
  tenant !== undefined && headers['ce-sapconsumertenant']?.some((value) => value === tenant) !== true
