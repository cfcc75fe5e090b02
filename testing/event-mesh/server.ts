import { answerJson, type HttpAnswer, type HttpRequest, listen, simulatorServer } from '../http.ts'
import { type Handler, routes } from '../routes.ts'
import { authority } from './certificates.ts'
import { Faults } from './faults.ts'
import { classicBase, integrationSuiteBase, managementApi } from './management-api.ts'
import { messagingApi } from './messaging-api.ts'
import { defaultClient, type EventMeshOptions, type EventMeshSwitches } from './options.ts'
import { Queues } from './queues.ts'
import { seededRandom } from './seeded-random.ts'
import { SimTime } from './sim-time.ts'
import { Subscriptions } from './subscriptions.ts'
import { TokenService } from './token-service.ts'
import type { SubscriptionRequest } from './webhook.ts'

const unavailable: HttpAnswer = answerJson(503, { message: 'switched off' })
const keptCalls = 1_000

/** Starts the broker in this process. @returns what its ready line tells. */
export const startEventMesh = async (options: EventMeshOptions) => {
  const { clients = [defaultClient], origin = 'event-mesh.example', shuffleSeed, hostname = 'localhost' } = options
  const ca = options.tls ? authority('Event Mesh simulator') : undefined
  const own = ca?.issue(hostname, ['127.0.0.1', 'localhost', hostname])
  const server = simulatorServer((request) => answer(request), own && { cert: own.certificate, key: own.key })
  const url = `${ca ? 'https' : 'http'}://127.0.0.1:${await listen(server, options.port ?? 0)}`
  const time = new SimTime()
  const tokens = await TokenService.start(url, clients, options.tokenLifetimeSeconds)
  const queues = new Queues(time, options.rules)
  const subscriptions = new Subscriptions(queues, time, {
    origin,
    answerTimeoutMs: options.answerTimeoutMs ?? 30_000,
    trustedCa: [options.trustedCa, ca?.certificate].filter(Boolean).join('\n') || undefined,
    // Its own name, which nobody but the test's name service knows.
    reach: (address) => address.replace(`https://${hostname}/`, `${url}/`),
    duplicateEvery: options.duplicateEvery ?? 0,
    pick: shuffleSeed === undefined ? () => 0 : seededRandom(shuffleSeed),
  })
  const faults = new Faults()
  const calls: string[] = []
  let switches: EventMeshSwitches = { tokenKeysDown: false, tokensDown: false, notReady: false, faults: [] }

  const issue: Handler = (request) => (switches.tokensDown ? unavailable : tokens.issue(request))
  const open = routes({
    'POST /oauth/token': issue,
    'GET /oauth/token': issue,
    'GET /token_keys': () => (switches.tokenKeysDown ? unavailable : answerJson(200, tokens.jwks())),
  })
  const control = routes({
    'GET /sim/state': () => answerJson(200, state()),
    'GET /sim/calls': () => answerJson(200, calls),
    'POST /sim/time': ({ body }) => {
      time.advance((JSON.parse(body.toString()) as { advanceMs: number }).advanceMs)
      subscriptions.pump()
      return answerJson(200, state())
    },
    'POST /sim/switches': ({ body }) => {
      switches = { ...switches, ...(JSON.parse(body.toString()) as Partial<EventMeshSwitches>) }
      faults.set(switches.faults)
      return answerJson(200, switches)
    },
    'POST /sim/rotate-keys': async () => answerJson(200, { kid: await tokens.rotate() }),
    'POST /sim/revoke-tokens': () => {
      tokens.revoke()
      return answerJson(200, {})
    },
    'POST /sim/subscriptions': ({ body }) => {
      subscriptions.create(JSON.parse(body.toString()) as SubscriptionRequest)
      return answerJson(201, {})
    },
    'POST /sim/certificates': ({ body }) =>
      ca ? answerJson(200, ca.issue(...(JSON.parse(body.toString()) as [string]))) : answerJson(409, 'start with tls'),
  })
  const isReady = () => !switches.notReady
  const apis: Record<string, Handler> = {
    ...messagingApi(queues, subscriptions, time),
    ...managementApi(classicBase, queues, isReady),
    ...managementApi(integrationSuiteBase, queues, isReady),
  }
  const guarded = routes(apis)

  const state = () => ({
    now: new Date(time.now()).toISOString(),
    handshakes: subscriptions.handshakes,
    tokensIssued: tokens.issued,
    unrouted: queues.unrouted,
    queues: queues.all().map(({ name, ready, unacked, counts, topics }) => ({
      name,
      ready: ready.length,
      unacked: unacked.size,
      ...counts,
      topics: [...topics],
    })),
    subscriptions: subscriptions
      .list()
      .map(({ name, subscriptionStatus, handshakeStatus, slotsUsed, qos, pushConfig }) => ({
        name,
        subscriptionStatus,
        handshakeStatus,
        slotsUsed,
        qos,
        endpoint: pushConfig.endpoint,
      })),
  })

  const answer = async (request: HttpRequest): Promise<HttpAnswer | 'cut'> => {
    if (request.url.startsWith('/sim/')) return control(request)
    calls.push(`${request.method} ${request.url.split('?')[0]}`)
    if (calls.length > keptCalls) calls.shift()
    return faults.around(request, async () => {
      if (/^\/(oauth|token_keys)\b/.test(request.url)) return open(request)
      return (await tokens.isKnown(request)) ? guarded(request) : answerJson(401, { message: 'Unauthorized' })
    })
  }
  const [client = defaultClient] = clients
  return {
    url,
    tokenUrl: `${url}/oauth/token`,
    jwksUrl: `${url}/token_keys`,
    origin,
    client,
    ...(ca && { ca: ca.certificate }),
  }
}
