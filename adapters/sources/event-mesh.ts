import type { AuthSpec, Delivery, Reply, Source, SourceContext } from '#domain/source'
import type { Refusal, Undecided } from '#domain/verification'
import { MAX_MESSAGE_BYTES, readMessages, type SharedParts } from './broker-message.ts'
import { checkAuth, verifyCaller } from './caller.ts'
import { answerHandshake, compileHandshake, type HandshakeOptions, isHandshake } from './cloudevents-handshake.ts'
import { checkOptions, misconfigured } from './options.ts'

/** Without a rate: a delivery refused for being one too many would come again in 15 minutes. */
export interface EventMeshOptions extends Omit<HandshakeOptions, 'allowedRate'> {
  /** The queue whose webhook subscription delivers here; names the source of events that name none. */
  readonly queue: string
  /** How the broker proves who it is: the subscription's own authentication. */
  readonly auth: AuthSpec
}

/** Where CAP's `enterprise-messaging` and `event-mesh` have their webhooks, told apart by `?q=`. */
const CAP_PATH = '/messaging/enterprise-messaging'

/**
 * SAP Event Mesh webhook subscriptions (BTP, Integration Suite). https://help.sap.com/docs/event-mesh. `acknowledge` is
 * `always-ok`: a refused message comes back for a week and holds one of 18 slots meanwhile, so content never is refused;
 * what cannot be read waits in quarantine.
 *
 * The handshake asks for the same proof as a delivery. Without `allowedOrigins` any *authenticated* origin is granted,
 * and with `auth: none` none is.
 */
export function eventMesh(options: EventMeshOptions, shared: SharedParts = {}): Source {
  checkOptions('event-mesh', options, ['queue', 'auth', 'allowedOrigins', 'callback'])
  const auth = checkAuth('event-mesh', options.auth)
  const { queue } = options
  if (typeof queue !== 'string' || !queue)
    throw misconfigured('event-mesh', 'queue', 'is empty', 'Give the full name of the queue.')
  const anyOrigin = options.allowedOrigins === undefined && auth.kind !== 'none'
  const rules = compileHandshake('event-mesh', anyOrigin ? { ...options, allowedOrigins: ['*'] } : options)

  async function greet(delivery: Delivery, context: SourceContext): Promise<Reply | Refusal | Undecided> {
    const caller = await verifyCaller(delivery, context, auth)
    return caller.ok === true ? answerHandshake(delivery, context, rules, auth.kind !== 'none') : caller
  }

  return {
    kind: 'event-mesh',
    acknowledge: 'always-ok',
    aliases: [{ path: CAP_PATH, queue }],
    limits: { maxBytes: MAX_MESSAGE_BYTES, methods: ['POST'] },
    ...(rules.callback ? { hosts: rules.callback.hosts } : {}),
    handshake: (delivery, context) => (isHandshake(delivery) ? greet(delivery, context) : undefined),
    verify: (delivery, context) => verifyCaller(delivery, context, auth),
    normalize: (delivery) => readMessages(delivery, { queue, addressHeader: 'x-address', ...shared }),
  }
}
