import type { LaneSettlement, Work } from '#domain/ports'
import type { ObjectVersion } from '#domain/version'
import { effectHash } from '../hash.ts'
import { type KeptRow, toKept } from '../kept-delivery.ts'
import { type EndRow, toEnd } from '../rows.ts'
import { backlog } from './backlog.ts'
import { claim } from './claim.ts'
import { groupCommit } from './group.ts'
import type { IntakeContext } from './intake.ts'
import { renew, settle } from './settle.ts'
import { active, statement } from './sql.ts'

const EFFECTS = statement(
  'effects',
  'SELECT hash, version, contenthash AS "contentHash" FROM sluice_effects WHERE hash = ANY($1)',
)

const PAYLOAD = statement('payload', 'SELECT bytes FROM sluice_payloads WHERE delivery = $1')

const DELIVERY = statement(
  'delivery',
  'SELECT receivedat AS "receivedAt", method, url, headers, principal FROM sluice_deliveries WHERE id = $1',
)

const NEXT_DUE = statement(
  'next_due',
  `SELECT min(lane.availableat) AS due
   FROM unnest($1::text[]) AS wanted (name)
   CROSS JOIN LATERAL (
     SELECT availableat FROM sluice_lanes
     WHERE subscription = wanted.name AND availableat IS NOT NULL ORDER BY availableat LIMIT 1) lane
   WHERE ${active('wanted.name')}`,
)

const ENDS = statement(
  'ends',
  'SELECT subscription, run, status, reason, result FROM sluice_dispatches WHERE event = $1',
)

/** Workers settle one dispatch at a time; together they fill a commit. */
const GROUP = { items: 512, bytes: 8_000_000 }

export function postgresWork({ database, moment }: Pick<IntakeContext, 'database' | 'moment'>): Work {
  const commit = (lanes: readonly LaneSettlement[]) => settle(database, lanes, moment())
  return {
    claim: (request) => claim(database, request, moment()),
    settle: groupCommit(commit, sizeOf, GROUP),
    renew: (lanes, leaseMs) => renew(database, lanes, leaseMs, moment()),
    release: async (lanes) => {
      await settle(
        database,
        lanes.map(({ lane, owner }) => ({ lane, owner, settled: [], release: true })),
        moment(),
      )
    },
    effects: async (keys) => {
      const hashes = keys.map(({ scope, object }) => effectHash(scope, object))
      const rows = await database.run<EffectRow>(EFFECTS, [hashes])
      const versions = new Map(rows.map((row) => [row.hash, objectVersion(row)]))
      return hashes.map((hash) => versions.get(hash))
    },
    payload: async (delivery) => {
      const [row] = await database.run<{ bytes: Uint8Array }>(PAYLOAD, [delivery])
      return row && new Uint8Array(row.bytes)
    },
    delivery: async (key) => {
      const [row] = await database.run<KeptRow>(DELIVERY, [key])
      return row && toKept(key, row)
    },
    ends: async (event) => (await database.run<EndRow>(ENDS, [event])).map(toEnd),
    nextDueAt: async (subscriptions) => {
      const [row] = await database.run<{ due: Date | null }>(NEXT_DUE, [subscriptions])
      return row?.due ?? undefined
    },
    backlog: (subscriptions, bounds) => backlog(database, subscriptions, bounds, moment()),
  }
}

const sizeOf = ({ settled }: LaneSettlement): number =>
  settled.reduce((sum, { result = '' }) => sum + 1_000 + result.length, 0)

interface EffectRow {
  readonly hash: string
  readonly version: string
  readonly contentHash: string | null
}

const objectVersion = ({ version, contentHash }: EffectRow): ObjectVersion =>
  contentHash === null ? { version } : { version, contentHash }
