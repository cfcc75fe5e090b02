import type { AxiosResponse } from 'axios'
import { SluiceError } from '#domain/errors'
import type { GatewayClient } from '../gateway/client.ts'
import type { SourceRow } from '../gateway/rows.ts'
import { span } from '../text.ts'
import { broken, type Finding, fault, ok, warning } from './finding.ts'

const MAX_CLOCK_OFFSET_MS = 5_000
const NO_EVENT = '00000000-0000-7000-8000-000000000000'

/** A running gateway, from outside. */
export async function checkGateway(client: GatewayClient, now: () => number): Promise<Finding[]> {
  const before = now()
  let health: AxiosResponse<string>
  try {
    health = await client.probe('GET', '/health')
  } catch (thrown) {
    if (!(thrown instanceof SluiceError)) throw thrown
    return [fault('health', thrown)]
  }
  const alive = checkAlive(health)
  if (alive.level === 'broken') return [alive]
  return [alive, checkClock(health, before, now()), await checkReady(client), ...(await checkRoles(client))]
}

function checkAlive({ status, headers }: AxiosResponse<string>): Finding {
  if (status === 200 && /json/.test(String(headers['content-type']))) return ok('health', 'alive')
  const remedy = 'Is --url the base address of the gateway, and no log-on page in between?'
  return broken(
    'health',
    `/health answered ${status} (${String(headers['content-type'] ?? 'no content type')}).`,
    remedy,
  )
}

/** HTTP dates have whole seconds, so that half a second is the best there is. */
function checkClock({ headers }: AxiosResponse<string>, before: number, after: number): Finding {
  const theirs = Date.parse(String(headers.date ?? ''))
  if (!Number.isFinite(theirs)) return warning('clock', 'The gateway says no time.', 'Let the Date header pass.')
  const offset = theirs + 500 - (before + after) / 2
  if (Math.abs(offset) <= MAX_CLOCK_OFFSET_MS) return ok('clock', 'in step with this machine')
  const side = offset > 0 ? 'ahead of' : 'behind'
  const remedy = 'Set both by NTP: signatures with a timestamp are refused otherwise.'
  return broken('clock', `The gateway is ${span(offset)} ${side} this machine.`, remedy)
}

const REASONS: Readonly<Record<string, string>> = {
  starting: 'It is starting: look again in a moment; its log tells why if it stays so.',
  draining: 'It is shutting down.',
  stopped: 'It is shutting down.',
  clock: 'Set the clocks of the gateway and its database by NTP.',
  store: 'Look at the database: is it reachable, full, read-only?',
}

async function checkReady(client: GatewayClient): Promise<Finding> {
  const { status, data } = await client.probe('GET', '/health/ready')
  if (status === 200) return ok('ready', 'takes deliveries')
  const reason = /"reason"\s*:\s*"([^"]{1,200})"/.exec(data)?.[1] ?? String(status)
  return broken('ready', `The gateway is not ready: ${reason}.`, REASONS[reason] ?? 'The reason is in its log.')
}

async function checkRoles(client: GatewayClient): Promise<Finding[]> {
  const viewer = await attempt(() => client.read<SourceRow>('Sources'))
  if (viewer instanceof SluiceError) return [fault('roles', viewer)]
  // Asks for the data of an event that is not there: only an operator learns so.
  const operator = await attempt(() => client.call(`data(event=${NO_EVENT})`))
  const mayAct = operator instanceof SluiceError && operator.code === 'not-found'
  const roles = ok('roles', mayAct ? 'you may look and act (SluiceOperator)' : 'you may look, not act (SluiceViewer)')
  const handshakes = viewer.filter(({ kind }) => kind === 'cloudevents' || kind === 'event-mesh')
  return [roles, ...(await Promise.all(handshakes.map((source) => checkHandshake(client, source))))]
}

/** Brokers ask by OPTIONS, which browsers use for CORS: a CORS middleware before the gateway swallows their question. */
async function checkHandshake(client: GatewayClient, { name, path }: SourceRow): Promise<Finding> {
  const headers = {
    origin: 'https://doctor.example',
    'access-control-request-method': 'POST',
    'webhook-request-origin': 'doctor.example',
  }
  const answer = await client.probe('OPTIONS', path, headers)
  // CloudEvents' webhook specification §4.2 wants Allow; without consent it stands alone.
  if (answer.headers.allow || answer.status === 401)
    return ok('handshake', `${name} answers OPTIONS (${answer.status})`)
  return broken(
    'handshake',
    `${name}: something before the gateway answers OPTIONS ${path} (${answer.status}).`,
    'Let OPTIONS requests pass to the gateway: exclude its paths from CORS in proxies and middleware.',
  )
}

async function attempt<T>(run: () => Promise<T>): Promise<T | SluiceError> {
  try {
    return await run()
  } catch (thrown) {
    if (thrown instanceof SluiceError) return thrown
    throw thrown
  }
}
