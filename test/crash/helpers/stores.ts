import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { CdsInboxOptions } from '../../../adapters/inbox/index.ts'
import { openService } from '../../../adapters/inbox/postgres/service.ts'
import { testDatabase } from '../../helpers/postgres.ts'

/** A store for the gateways of one suite, and the only look the tests take into it: what is still to be done. */
export interface CrashStore {
  readonly inbox: CdsInboxOptions
  sql<Row>(text: string): Promise<readonly Row[]>
  remove(): Promise<void>
}

/** Work that nobody has ended. `stuck`: ended as dead or unsure, which nothing in these tests should. */
export interface OpenWork {
  readonly waiting: number
  readonly leased: number
  readonly stuck: number
}

export async function openWork(store: CrashStore): Promise<OpenWork> {
  const [work] = await store.sql<OpenWork>(`SELECT
    (SELECT count(*) FROM sluice_dispatches WHERE status = 'waiting') AS waiting,
    (SELECT count(*) FROM sluice_lanes WHERE owner IS NOT NULL) AS leased,
    (SELECT count(*) FROM sluice_dispatches WHERE status IN ('dead', 'unsure')) AS stuck`)
  return { waiting: Number(work?.waiting), leased: Number(work?.leased), stuck: Number(work?.stuck) }
}

/** The first lanes with open work: for whoever waits in vain for their end. */
export const openLanes = (store: CrashStore): Promise<readonly unknown[]> =>
  store.sql(`SELECT l.ID, l.owner, l.availableAt, l.blocked, l.head, d.ID AS dispatch, d.status, d.pos, d.attempts,
      d.availableAt AS due, (SELECT max(a.code) FROM sluice_attempts a WHERE a.dispatch = d.ID AND a.n = d.attempts) AS code
    FROM sluice_lanes l LEFT JOIN sluice_dispatches d ON d.lane = l.ID AND d.status = 'waiting'
    WHERE l.owner IS NOT NULL OR d.ID IS NOT NULL LIMIT 5`)

async function sqliteStore(): Promise<CrashStore> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-crash-'))
  const url = join(folder, 'sluice.db')
  return {
    inbox: { url },
    async sql<Row>(text: string) {
      const database = new DatabaseSync(url, { readOnly: true, timeout: 5_000 })
      try {
        return database.prepare(text).all() as unknown as Row[]
      } finally {
        database.close()
      }
    },
    remove: () => rm(folder, { recursive: true, force: true }),
  }
}

async function postgresStore(suite: Mocha.Context): Promise<CrashStore> {
  const { credentials, sql, drop } = await testDatabase(suite)
  return { inbox: { kind: 'postgres', credentials }, sql, remove: drop }
}

/** One process on SQLite, several on Postgres: what each is for. */
export const STORES = [
  { title: 'SQLite, one process', short: 'sqlite', processes: 1, open: sqliteStore },
  { title: 'Postgres, three processes', short: 'postgres', processes: 3, open: postgresStore },
] as const

/** Takes a Postgres database away from everybody as a failed server does. @returns how to bring it back */
export async function takeDown({ inbox: { credentials } }: CrashStore): Promise<() => Promise<void>> {
  const service = await openService({ credentials: { ...credentials, database: 'postgres' } }, {})
  const tx = service.tx({})
  await tx.begin(true)
  const name = String(credentials?.database)
  const allow = (is: boolean) => tx.dbc.query(`ALTER DATABASE ${name} ALLOW_CONNECTIONS ${is}`)
  await allow(false)
  await tx.dbc.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${name}'`)
  return async () => {
    await allow(true)
    await tx.release()
    await service.disconnect()
  }
}
