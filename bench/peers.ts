import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { ROOT, start } from './children.ts'
import { SECRET } from './deliveries.ts'
import { startGateway } from './gateway.ts'
import { inDatabase, SERVER } from './postgres.ts'
import { fileIn, inFolder, load, type Measure, rotate, type Scale } from './run.ts'

const FOLDER = join(ROOT, 'bench/peers')
/** What the handler costs: nothing, or the time of a call to an ERP. */
const BODIES_MS = [0, 20]

interface Running {
  readonly port: number
  readonly path: string
  stop(): Promise<void>
}

type Start = (env: Readonly<Record<string, string>>) => Promise<Running>

interface Peer {
  readonly name: string
  readonly start: Start
}

/** Shipped defaults throughout; where the default is one job at a time, a second line gives it 32, which we have too. */
const PEERS: readonly Peer[] = [
  { name: 'Sluice, SQLite', start: (env) => gateway({ ...env, STORE: 'sqlite' }) },
  { name: 'Sluice, Postgres', start: gateway },
  { name: 'CAP persistent queue, Postgres', start: (env) => capApp(env, { queue: { kind: 'persistent-queue' } }) },
  { name: 'CAP Event Mesh endpoint with inbox, Postgres', start: capEventMesh },
  {
    name: 'event-queue, Postgres',
    start: (env) => capApp(env, { queue: true }, { useAsCAPQueue: true, useAsCAPOutbox: true }),
  },
  { name: 'graphile-worker, Postgres', start: script('graphile-worker') },
  { name: 'graphile-worker, 32 at once', start: script('graphile-worker', { CONCURRENCY: '32' }) },
  { name: 'pg-boss, Postgres', start: script('pg-boss') },
  { name: 'pg-boss, 32 at once', start: script('pg-boss', { CONCURRENCY: '32' }) },
  { name: 'BullMQ, Redis (no fsync)', start: script('bullmq') },
  { name: 'BullMQ, 32 at once', start: script('bullmq', { CONCURRENCY: '32' }) },
]

/** A signed delivery in, durable, answered, and its handler run: beside what others would build it on. */
export async function peers(scale: Scale): Promise<Measure[]> {
  if (!existsSync(join(FOLDER, 'node_modules'))) {
    throw new Error('install the peers first: npm install --omit=optional --prefix bench/peers')
  }
  const variants = PEERS.flatMap((peer) => BODIES_MS.map((bodyMs) => ({ ...peer, bodyMs })))
  const label = ({ name, bodyMs }: (typeof variants)[number]) => `${name}, ${bodyMs} ms`
  const runs = await rotate(
    scale.rotations,
    Object.fromEntries(variants.map((variant) => [label(variant), () => measure(variant, scale)])),
  )
  return variants.flatMap((variant) => {
    const results = runs[label(variant)] ?? []
    return [
      { name: `${label(variant)}: accepted`, unit: 'deliveries/s', values: results.map(({ accepted }) => accepted) },
      { name: `${label(variant)}: handled`, unit: 'events/s', values: results.map(({ handled }) => handled) },
      { name: `${label(variant)}: p99 of the answer`, unit: 'ms', values: results.map(({ p99Ms }) => p99Ms) },
    ]
  })
}

function measure({ start: begin, bodyMs }: Peer & { bodyMs: number }, scale: Scale) {
  return inFolder((folder) =>
    inDatabase(async ({ credentials: { database } }) => {
      const handledFile = join(folder, 'handled')
      const running = await begin({
        SECRET,
        HANDLED_FILE: handledFile,
        BODY_MS: String(bodyMs),
        PGDATABASE: String(database),
        DATABASE_URL: `postgres://${SERVER.user}:${SERVER.password}@${SERVER.host}:${SERVER.port}/${database}`,
        SQLITE_FOLDER: folder,
        QUEUE_NAME: String(database),
      })
      try {
        const result = await load(scale, running)
        const handled = Number(readFileSync(handledFile, 'utf8'))
        const seconds = (scale.warmUpMs + scale.measureMs) / 1_000
        return { accepted: result.perSecond, handled: handled / seconds, p99Ms: result.p99Ms }
      } finally {
        await running.stop()
      }
    }),
  )
}

async function gateway(env: Readonly<Record<string, string>>): Promise<Running> {
  Object.assign(process.env, env)
  const store =
    env.STORE === 'sqlite'
      ? fileIn(String(env.SQLITE_FOLDER))
      : ({ kind: 'postgres', credentials: { ...SERVER, database: env.PGDATABASE } } as const)
  return startGateway(store, { subscriptions: { bench: { on: '*', handler: 'bench/counting-handler' } } })
}

/** Every peer prints its port once it takes deliveries. What it complains of is shown with PEER_LOG=1. */
async function spawned(args: readonly string[], env: Readonly<Record<string, string>>, path: string): Promise<Running> {
  const child = start(args, ['pipe', 'pipe', process.env.PEER_LOG ? 'inherit' : 'ignore'], env)
  const { stdout } = child.process
  if (!stdout) throw new Error('the child has no standard output')
  for await (const line of createInterface({ input: stdout })) {
    if (!line.startsWith('{"port"')) continue
    stdout.resume()
    return { port: (JSON.parse(line) as { port: number }).port, path, stop: () => child.stop('SIGKILL') }
  }
  throw new Error(`${args.at(-1)} ended before it took deliveries; see above`)
}

function script(name: string, more: Readonly<Record<string, string>> = {}): Start {
  return (env) => spawned([join(FOLDER, `${name}.js`)], { ...env, ...more }, '/')
}

/** Its webhook of `enterprise-messaging`; nothing is asked of a broker, so the credentials are of none. */
function capEventMesh(env: Readonly<Record<string, string>>): Promise<Running> {
  const requires = {
    queue: { kind: 'persistent-queue' },
    messaging: {
      kind: 'enterprise-messaging',
      inboxed: true,
      queue: { name: 'bench' },
      webhook: { waitingPeriod: 1 },
      credentials: { messaging: [{ protocol: ['httprest'], uri: 'https://broker.example', oa2: {} }] },
    },
  }
  const where = { VCAP_APPLICATION: JSON.stringify({ application_uris: ['bench.example'] }) }
  return capApp({ ...env, ...where }, requires, undefined, '/messaging/enterprise-messaging?q=bench')
}

function capApp(
  env: Readonly<Record<string, string>>,
  requires: object,
  eventQueue?: object,
  path = '/hook',
): Promise<Running> {
  const credentials = { ...SERVER, database: env.PGDATABASE }
  const config = {
    requires: { db: { kind: 'postgres', credentials }, ...requires },
    ...(eventQueue ? { eventQueue } : {}),
  }
  const project = join(FOLDER, 'cap')
  return spawned(
    [join(FOLDER, 'node_modules/@sap/cds/bin/serve.js'), '--project', project],
    { ...env, PORT: '0', CDS_CONFIG: JSON.stringify(config) },
    path,
  )
}
