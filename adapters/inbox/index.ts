import { SluiceError } from '#domain/errors'
import type { CqlService } from './cql/session.ts'
import { type CdsInbox, lazyInbox, type OpenInbox } from './lazy.ts'
import { orMissingPackage } from './missing-package.ts'
import type { ConfiguredService } from './postgres/configured.ts'
import type { PostgresService } from './postgres/service.ts'

export { STORE_VERSION } from './ddl.ts'
export type { CdsInbox } from './lazy.ts'
export { memoryInbox } from './memory/index.ts'

/** Where the inbox is: a file, a Postgres, or (with neither) the service `sluice-db` of a CAP app. */
export interface CdsInboxOptions {
  /** An embedded SQLite file of its own. */
  readonly url?: string
  /** With `credentials`, as CAP takes them: a connection pool of its own to a Postgres. */
  readonly kind?: 'postgres'
  readonly credentials?: PostgresCredentials
  /** A test's clock; without it the database's time counts. */
  readonly now?: () => Date
  /** Whether `open()` deploys to Postgres; `cds.requires.sluice-db.deploy` where absent, and true where that is. */
  readonly deploy?: boolean
}

/** How to reach a Postgres: a binding's credentials, or these. */
export interface PostgresCredentials extends Readonly<Record<string, unknown>> {
  readonly host?: string
  readonly port?: number
  readonly user?: string
  readonly password?: string
  readonly database?: string
  /** The tables' schema, where it is not the user's own. */
  readonly schema?: string
}

/**
 * The inbox on a CAP database service: `cdsInbox({ url: 'sluice.db' })` in any Node process; `cdsInbox()` in a CAP app,
 * on the service `sluice-db` that `cds.requires` configures with kind sqlite, postgres or hana. `@sap/cds` and the
 * database's package are loaded by `open()`.
 * @throws SluiceError on `open()`: `configuration`, `store-location`, `store-newer`, `store-not-deployed`,
 * `store-unavailable`
 */
export const cdsInbox = (options: CdsInboxOptions = {}): CdsInbox =>
  lazyInbox(async () => {
    try {
      const inbox = await choose(options)
      await inbox.open()
      return inbox as OpenInbox
    } catch (thrown) {
      throw orMissingPackage(thrown)
    }
  })

async function choose({ url, kind, credentials, now, deploy }: CdsInboxOptions): Promise<CdsInbox> {
  const clock = now ? { now } : {}
  if (url !== undefined) return (await sqlite()).sqliteInbox({ url, ...clock })
  if (kind === 'postgres' && !credentials)
    throw new SluiceError('configuration', 'cdsInbox({ kind: "postgres" }) was given no credentials.', {
      retry: 'never',
      remedy: 'Add credentials: { host, port, user, password, database }.',
    })
  if (kind === 'postgres' && credentials)
    return (await pg()).postgresInbox({ credentials, ...(deploy === undefined ? {} : { deploy }), ...clock })
  return configured(clock, deploy)
}

/** An app's own service `sluice-db`, shared with whoever else in the app reads from it. */
async function configured(clock: { now?: () => Date }, wanted?: boolean): Promise<CdsInbox> {
  const { default: cds } = await import('@sap/cds')
  const service: ServiceConfig | undefined = cds.requires['sluice-db']
  const { kind, credentials = {} } = service ?? {}
  const connectTo = <Service>() => cds.connect.to('sluice-db') as Promise<unknown> as Promise<Service>
  switch (kind) {
    case 'sqlite': {
      const url = String(credentials.url ?? credentials.database ?? '')
      return (await sqlite()).sqliteInbox({ url, ...clock })
    }
    case 'postgres': {
      const deploy = wanted ?? service?.deploy ?? true
      const { completeService } = await import('./postgres/configured.ts')
      if (service) completeService(service, cds.env.requires.kinds?.postgres)
      return (await pg()).postgresInbox({ credentials, deploy, connect: () => connectTo<PostgresService>(), ...clock })
    }
    case 'hana':
      return (await cql()).cqlInbox({ connect: () => connectTo<CqlService>(), ...clock })
    default:
      throw new SluiceError('configuration', `cds.requires.sluice-db has the kind ${kind ?? '(none)'}.`, {
        retry: 'never',
        remedy: 'Configure it with kind sqlite, postgres or hana, or name a file: cdsInbox({ url: "sluice.db" }).',
      })
  }
}

interface ServiceConfig extends ConfiguredService {
  readonly kind?: string
  readonly credentials?: Readonly<Record<string, unknown>>
  readonly deploy?: boolean
}

const sqlite = () => import('./sqlite/index.ts')
const pg = () => import('./postgres/index.ts')
const cql = () => import('./cql/index.ts')
