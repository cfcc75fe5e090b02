import { SluiceError } from '#domain/errors'
import { type CdsInbox, lazyInbox } from './lazy.ts'
import type { PostgresService } from './postgres/service.ts'
import type { CapDatabase } from './sqlite/connection.ts'

export type { CdsInbox } from './lazy.ts'
export { memoryInbox } from './memory/index.ts'

export interface CdsInboxOptions {
  /** A SQLite file. Without it and without `kind`: what `cds.requires` says of `sluice-db`. */
  readonly url?: string
  readonly kind?: 'sqlite' | 'postgres'
  /** For `kind: 'postgres'`: as CAP takes them. */
  readonly credentials?: Readonly<Record<string, unknown>>
  /** A test's clock; without it the database's time counts. */
  readonly now?: () => Date
}

/**
 * The inbox on a CAP database service: `cdsInbox({ url: 'sluice.db' })` in any Node process, `cdsInbox()` in a CAP app
 * that configures `sluice-db`. `@sap/cds` and the database's package are loaded by `open()`.
 * @throws SluiceError on `open()`: `configuration`, `store-location`, `store-newer`, `store-driver`, `store-unavailable`
 */
export const cdsInbox = (options: CdsInboxOptions = {}): CdsInbox =>
  lazyInbox(async () => {
    const inbox = await choose(options)
    await inbox.open()
    const { service = inbox, ...ports } = inbox
    return { ...ports, service }
  })

async function choose({ url, kind, credentials = {}, now }: CdsInboxOptions): Promise<CdsInbox> {
  const clock = now ? { now } : {}
  if (url !== undefined) return sqlite(url, clock)
  if (kind === 'postgres') return postgres(credentials, clock)
  return configured(clock)
}

interface Clock {
  readonly now?: () => Date
}

/** An app's own service `sluice-db`, shared with whoever else in the app reads from it. */
async function configured(clock: Clock): Promise<CdsInbox> {
  const { default: cds } = await import('@sap/cds')
  const service: ServiceConfig | undefined = cds.requires['sluice-db']
  const { kind, credentials = {} } = service ?? {}
  const connect = () => cds.connect.to('sluice-db') as Promise<unknown>
  if (kind === 'sqlite') {
    const url = String(credentials.url ?? credentials.database ?? '')
    return sqlite(url, { ...clock, connect: connect as () => Promise<CapDatabase> })
  }
  if (kind === 'postgres') {
    return postgres(credentials, { ...clock, connect: connect as () => Promise<PostgresService> })
  }
  throw new SluiceError(
    'configuration',
    `The inbox cannot run on cds.requires.sluice-db of kind ${kind ?? '(none)'}.`,
    {
      retry: 'never',
      remedy: 'Configure it with kind sqlite or postgres, or name a file: cdsInbox({ url: "sluice.db" }).',
    },
  )
}

interface ServiceConfig {
  readonly kind?: string
  readonly credentials?: Readonly<Record<string, unknown>>
}

const sqlite = async (url: string, parts: Clock & { connect?: () => Promise<CapDatabase> }): Promise<CdsInbox> =>
  (await import('./sqlite/index.ts')).sqliteInbox({ url, ...parts })

const postgres = async (
  credentials: Readonly<Record<string, unknown>>,
  parts: Clock & { connect?: () => Promise<PostgresService> },
): Promise<CdsInbox> => (await import('./postgres/index.ts')).postgresInbox({ credentials, ...parts })
