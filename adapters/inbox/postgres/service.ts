import type PostgresServiceType from '@cap-js/postgres'
import type { ConnectionFactory, PostgresConnection } from '@cap-js/postgres'

export type PostgresService = PostgresServiceType

export interface PostgresOptions {
  /** As CAP takes them: a binding's credentials, or host, port, user, password, database and schema. */
  readonly credentials: Readonly<Record<string, unknown>>
  readonly pool?: Readonly<Record<string, unknown>>
  /** Settings of the `pg` client, e.g. `ssl`. */
  readonly client?: Readonly<Record<string, unknown>>
}

/** CAP waits one second for a connection, and 20 of 30 parallel transactions were refused with it. */
export const POOL = { min: 0, max: 10, testOnBorrow: true, acquireTimeoutMillis: 10_000, destroyTimeoutMillis: 1_000 }
export const CLIENT = { connectionTimeoutMillis: 5_000, keepAlive: true, application_name: 'sluice' }

/** Far beyond a stall of the event loop between two statements; less than a sender's patience. */
const MAX_IDLE_IN_TRANSACTION_MS = 10_000

const INT8 = 20
const TIMESTAMP = 1114

const prepared = new WeakSet<PostgresConnection>()

/** What Sluice needs of a connection, whoever made it. */
export async function prepare(connection: PostgresConnection, service: PostgresService): Promise<void> {
  if (prepared.has(connection)) return
  prepared.add(connection)
  // Without a listener the loss of an idle connection ends the process. CAP's pool asks `open` before every use.
  connection.on('error', () => {
    connection.open = false
  })
  connection.setTypeParser(INT8, Number)
  // Stored in UTC without a zone; the driver would read it as local time.
  connection.setTypeParser(TIMESTAMP, (text) => new Date(`${text.replace(' ', 'T')}Z`))
  // A plan kept from when a table was small reads all of it when it is large; planning costs less than a millisecond.
  await connection.query('SET plan_cache_mode = force_custom_plan')
  // A process that stops in a transaction (a paused VM, a lost network) holds its lanes' locks until the server acts.
  await connection.query(`SET idle_in_transaction_session_timeout = ${MAX_IDLE_IN_TRANSACTION_MS}`)
  const schema = service.options.credentials?.schema
  if (typeof schema === 'string') await connection.query(`SET search_path TO "${schema.replaceAll('"', '""')}"`)
}

/** Sluice's own CAP database service with its own pool, so that the app's long transactions cannot stall intake. */
export async function openService(options: PostgresOptions, model: object): Promise<PostgresService> {
  const { default: PostgresService } = await import('@cap-js/postgres')
  const cds: Emitter = (await import('@sap/cds')).default as never

  class SluicePostgres extends PostgresService {
    override get factory(): ConnectionFactory {
      const factory = super.factory
      const create = async (tenant?: string) => {
        const connection = await factory.create(tenant)
        await prepare(connection, this)
        return connection
      }
      return { ...factory, create }
    }
  }

  const service = new SluicePostgres('sluice-db', model, {
    kind: 'postgres',
    // Otherwise the service declares Postgres the dialect of the whole process, also of an app on SQLite.
    independentDeploy: true,
    credentials: options.credentials,
    pool: { ...POOL, ...options.pool },
    client: { ...CLIENT, ...options.client },
  })
  const before = new Set(cds.listeners('shutdown'))
  const ready = service.init()
  // CAP would disconnect at shutdown, under the hands of workers that still settle. Whoever opened the inbox closes it.
  for (const listener of cds.listeners('shutdown')) if (!before.has(listener)) cds.off('shutdown', listener)
  await ready
  return service
}

interface Emitter {
  listeners(event: 'shutdown'): (() => void)[]
  off(event: 'shutdown', listener: () => void): void
}
