import { answerJson, type HttpAnswer, type HttpRequest, listen, simulatorServer } from '../http.ts'
import { type Handler, routes } from '../routes.ts'
import { managementApi } from './management-api.ts'
import { messagingApi } from './messaging-api.ts'
import { defaultClient, type EventMeshOptions, type EventMeshSwitches } from './options.ts'
import { Queues } from './queues.ts'
import { seededRandom } from './seeded-random.ts'
import { SimTime } from './sim-time.ts'
import { Subscriptions } from './subscriptions.ts'
import { TokenService } from './token-service.ts'

const unavailable: HttpAnswer = answerJson(503, { message: 'switched off' })

/** Starts the broker in this process. @returns what its ready line tells. */
export const startEventMesh = async (options: EventMeshOptions) => {
  const { clients = [defaultClient], origin = 'event-mesh.example', shuffleSeed } = options
  const server = simulatorServer((request) => answer(request))
  const url = `http://127.0.0.1:${await listen(server, options.port ?? 0)}`
  const time = new SimTime()
  const tokens = await TokenService.start(url, clients)
  const queues = new Queues(time)
  const subscriptions = new Subscriptions(queues, time, {
    origin,
    answerTimeoutMs: options.answerTimeoutMs ?? 30_000,
    duplicateEvery: options.duplicateEvery ?? 0,
    pick: shuffleSeed === undefined ? () => 0 : seededRandom(shuffleSeed),
  })
  let switches: EventMeshSwitches = { tokenKeysDown: false, tokensDown: false }

  const open = routes({
    'POST /oauth/token': (request) => (switches.tokensDown ? unavailable : tokens.issue(request)),
    'GET /token_keys': () => (switches.tokenKeysDown ? unavailable : answerJson(200, tokens.jwks())),
    'GET /sim/state': () => answerJson(200, state()),
    'POST /sim/time': ({ body }) => {
      time.advance((JSON.parse(body.toString()) as { advanceMs: number }).advanceMs)
      subscriptions.pump()
      return answerJson(200, state())
    },
    'POST /sim/switches': ({ body }) => {
      switches = { ...switches, ...(JSON.parse(body.toString()) as Partial<EventMeshSwitches>) }
      return answerJson(200, switches)
    },
    'POST /sim/rotate-keys': async () => answerJson(200, { kid: await tokens.rotate() }),
  })
  const apis: Record<string, Handler> = { ...messagingApi(queues, subscriptions, time), ...managementApi(queues) }
  const guarded = routes(apis)

  const state = () => ({
    now: new Date(time.now()).toISOString(),
    handshakes: subscriptions.handshakes,
    unrouted: queues.unrouted,
    queues: queues
      .all()
      .map(({ name, ready, unacked, counts }) => ({ name, ready: ready.length, unacked: unacked.size, ...counts })),
    subscriptions: subscriptions.list().map(({ name, subscriptionStatus, handshakeStatus, slotsUsed }) => ({
      name,
      subscriptionStatus,
      handshakeStatus,
      slotsUsed,
    })),
  })

  const answer = async (request: HttpRequest): Promise<HttpAnswer> => {
    if (/^\/(oauth|token_keys|sim)\b/.test(request.url)) return open(request)
    return (await tokens.isKnown(request)) ? guarded(request) : answerJson(401, { message: 'Unauthorized' })
  }
  const [own = defaultClient] = clients
  return { url, tokenUrl: `${url}/oauth/token`, jwksUrl: `${url}/token_keys`, origin, client: own }
}
