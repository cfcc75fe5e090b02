import type { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import type { Backlog } from '#domain/backlog'
import type { Work } from '#domain/ports'
import type { ObjectVersion } from '#domain/version'
import { effectHash } from '../hash.ts'
import { type KeptRow, toKept } from '../kept-delivery.ts'
import { type EndRow, toEnd } from '../rows.ts'
import { backlogOf } from './backlog.ts'
import { claim } from './claim.ts'
import { freeLane, holdLane } from './lanes.ts'
import { SELECT, UPDATE } from './ql.ts'
import { currentRegistry } from './registry.ts'
import { type CqlDatabase, inChunks } from './session.ts'
import { settleLane } from './settle.ts'

export function cqlWork(database: CqlDatabase): Work {
  return {
    claim: (request) => claim(database, request),
    settle: (lanes) => Promise.all(lanes.map((one) => settleLane(database, one))),
    renew: (lanes, leaseMs) =>
      database.transaction(async (tx) => {
        const held = new Map<string, boolean>()
        for (const { lane, owner } of ascending(lanes)) {
          const renewed = UPDATE('sluice.Lanes')
            .with({ availableAt: tx.later(leaseMs) })
            .where({ ID: lane, owner })
          held.set(`${lane} ${owner}`, (await tx.change(renewed)) === 1)
        }
        return lanes.map(({ lane, owner }) => held.get(`${lane} ${owner}`) === true)
      }),
    release: (lanes) =>
      database.transaction(async (tx) => {
        for (const { lane: id, owner } of ascending(lanes)) {
          const lane = await holdLane(tx, id)
          if (lane?.owner === owner) await freeLane(tx, lane, lane.head, tx.now)
        }
      }),
    effects: (keys) =>
      database.transaction(async (tx) => {
        const hashes = keys.map(({ scope, object }) => effectHash(scope, object))
        const versions = new Map<string, ObjectVersion>()
        for (const chunk of inChunks(hashes)) {
          for (const row of await tx.rows<EffectRow>(
            SELECT.from('sluice.Effects')
              .columns('hash', 'version', 'contentHash')
              .where({ hash: { in: chunk } }),
          )) {
            versions.set(row.hash, toVersion(row))
          }
        }
        return hashes.map((hash) => versions.get(hash))
      }),
    payload: (delivery) =>
      database.transaction(async (tx) => {
        const row = await tx.row<{ bytes: Readable | null }>(
          SELECT.from('sluice.Payloads').columns('bytes').where({ delivery }),
        )
        return row?.bytes ? new Uint8Array(await buffer(row.bytes)) : undefined
      }),
    delivery: (key) =>
      database.transaction(async (tx) => {
        const row = await tx.row<KeptRow>(
          SELECT.from('sluice.Deliveries')
            .columns('receivedAt', 'method', 'url', 'headers', 'principal')
            .where({ ID: key }),
        )
        return row && toKept(key, row)
      }),
    ends: (event) =>
      database.transaction(async (tx) => {
        const rows = await tx.rows<EndRow>(
          SELECT.from('sluice.Dispatches')
            .columns('subscription', 'run', 'status', 'reason', 'result')
            .where({ event }),
        )
        return rows.map(toEnd)
      }),
    nextDueAt: (subscriptions) =>
      database.transaction(async (tx) => {
        const registry = await currentRegistry(tx)
        const active = subscriptions.filter((name) => registry.get(name)?.paused === false)
        if (active.length === 0) return undefined
        const first = await tx.row<{ availableAt: string }>(
          SELECT.from('sluice.Lanes')
            .columns('availableAt')
            .where({ subscription: { in: active }, availableAt: { '!=': null } })
            .orderBy('availableAt')
            .limit(1),
        )
        return first && new Date(first.availableAt)
      }),
    backlog: async (subscriptions, bounds) => {
      const found: Backlog[] = []
      for (const name of subscriptions) found.push(await database.transaction((tx) => backlogOf(tx, name, bounds)))
      return found
    },
  }
}

/** The order in which everybody locks more than one lane. */
const ascending = <T extends { lane: string }>(lanes: readonly T[]): T[] =>
  lanes.toSorted((a, b) => (a.lane < b.lane ? -1 : 1))

interface EffectRow {
  readonly hash: string
  readonly version: string
  readonly contentHash: string | null
}

const toVersion = ({ version, contentHash }: EffectRow): ObjectVersion =>
  contentHash === null ? { version } : { version, contentHash }
