import type { NewDelivery } from '#domain/ports'
import { type Holder, type Holders, wishesOf } from '../identities.ts'
import { REGISTRY_VERSION } from './registry.ts'
import type { Session } from './session.ts'
import { now, rows, statement } from './sql.ts'

export interface Recognized {
  readonly holders: Holders
  readonly registryVersion: string | null
}

/**
 * New identities and expired ones go to this batch; the rows of all others are locked unchanged, so that nobody takes
 * one over before we have read it. Sorted, as in every instance: two batches with the same identities never deadlock.
 */
const TAKE = statement(
  'identities_take',
  `WITH taken AS (
     INSERT INTO sluice_identities AS known (hash, event, contenthash, expiresat)
     SELECT r.hash, r.event, r."contentHash", ${now('$2')} + r."windowMs" * interval '1 millisecond'
     FROM ${rows('$1', { hash: 'text', event: 'text', contentHash: 'text', windowMs: 'double precision' })}
     ORDER BY r.hash COLLATE "C"
     ON CONFLICT (hash) DO UPDATE
       SET event = excluded.event, contenthash = excluded.contenthash, expiresat = excluded.expiresat
       WHERE known.expiresat <= ${now('$2')}
     RETURNING hash)
   SELECT ${REGISTRY_VERSION} AS version, (SELECT coalesce(json_agg(hash), '[]') FROM taken) AS taken`,
)

/** A statement of its own: only a later snapshot sees what a concurrent intake has committed meanwhile. */
const READ = statement(
  'identities_read',
  'SELECT hash, event, contenthash AS "contentHash" FROM sluice_identities WHERE hash = ANY($1)',
)

/** Decides who is first, over all instances and until this transaction ends. */
export async function recognize(
  session: Session,
  batch: readonly NewDelivery[],
  moment: string | null,
): Promise<Recognized> {
  const wishes = wishesOf(batch)
  const records = JSON.stringify([...wishes.values()])
  const [result] = await session.run<{ version: string | null; taken: string[] }>(TAKE, [records, moment])
  const holders = new Map<string, Holder>(wishes)
  const taken = new Set(result?.taken)
  const others = [...wishes.keys()].filter((hash) => !taken.has(hash))
  if (others.length > 0) {
    for (const known of await session.run<Holder & { hash: string }>(READ, [others])) holders.set(known.hash, known)
  }
  return { holders, registryVersion: result?.version ?? null }
}
