import { randomBytes } from 'node:crypto'
import { openService } from '../adapters/inbox/postgres/service.ts'
import type { PostgresStore } from './gateway.ts'
import { rates } from './intake.ts'
import { drain, fill, loadFloor, loadGateway, type Measure, NO_OP, rotate, type Scale } from './run.ts'
import { median } from './statistics.ts'

const { PGHOST = '127.0.0.1', PGPORT = '5432', PGUSER = 'postgres', PGPASSWORD = '' } = process.env
export const SERVER = { host: PGHOST, port: Number(PGPORT), user: PGUSER, password: PGPASSWORD }

/** Intake and dispatch on a Postgres of this machine, named by PGHOST, PGPORT, PGUSER and PGPASSWORD. */
export async function postgres(scale: Scale): Promise<Measure[]> {
  const { floor, intake, dispatch } = await rotate(scale.rotations, {
    floor: async () => rates([await loadFloor(scale)]),
    intake: () =>
      inDatabase(async (store) => {
        const settings = { roles: ['intake'], subscriptions: NO_OP }
        return rates([await loadGateway(scale, store, settings)])
      }),
    dispatch: () =>
      inDatabase(async (store) => {
        await fill(store, scale.dispatches, scale.keys)
        return [(await drain(store, scale.dispatches)).perSecond]
      }),
  })
  const value = median(dispatch.flat()) / median(intake.flat())
  return [
    { name: 'floor (SQLite)', unit: 'deliveries/s', values: floor.flat() },
    { name: 'intake on Postgres', unit: 'deliveries/s', values: intake.flat() },
    { name: 'dispatch on Postgres', unit: 'events/s', values: dispatch.flat(), ratio: { to: 'intake', value, bar: 1 } },
  ]
}

/** A database that is gone when `work` is over. */
export async function inDatabase<T>(work: (store: PostgresStore) => Promise<T>): Promise<T> {
  const database = `sluice_bench_${randomBytes(6).toString('hex')}`
  await administer(`CREATE DATABASE ${database}`)
  try {
    return await work({ kind: 'postgres', credentials: { ...SERVER, database } })
  } finally {
    await administer(`DROP DATABASE ${database} WITH (FORCE)`)
  }
}

async function administer(text: string): Promise<void> {
  const service = await openService({ credentials: { ...SERVER, database: 'postgres' } }, {})
  const tx = service.tx({})
  try {
    await tx.begin(true)
    await tx.dbc.query({ text })
    await tx.release()
  } finally {
    await service.disconnect()
  }
}
