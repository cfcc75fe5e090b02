import type { NewDelivery } from '#domain/ports'
import { type Holder, type Holders, type Wish, wishesOf } from '../identities.ts'
import { SELECT, UPDATE } from './ql.ts'
import { inChunks, type Tx } from './session.ts'

interface IdentityRow extends Holder {
  readonly hash: string
  readonly expiresAt: string | null
}

/**
 * Decides who is first. What exists is read, what is new inserted in order; an identity that a concurrent transaction
 * inserts meanwhile is a violated key, and this transaction, run again, reads it.
 */
export async function recognize(tx: Tx, batch: readonly NewDelivery[]): Promise<Holders> {
  const wishes = wishesOf(batch)
  const holders = new Map<string, Holder>(wishes)
  const fresh = new Map(wishes)
  for (const hashes of inChunks([...wishes.keys()])) {
    const select = IDENTITIES({ hash: { in: hashes } }).orderBy('hash')
    for (const known of await tx.rows<IdentityRow>(select)) {
      const wish = fresh.get(known.hash)
      fresh.delete(known.hash)
      if (wish) holders.set(known.hash, tx.isPast(known.expiresAt) ? await takeOver(tx, wish) : known)
    }
  }
  await tx.insert(
    'sluice.Identities',
    [...fresh.values()].map((wish) => ({ hash: wish.hash, ...identityColumns(tx, wish) })),
  )
  return holders
}

const IDENTITIES = (where: object) =>
  SELECT.from('sluice.Identities').columns('hash', 'event', 'contentHash', 'expiresAt').where(where)

/** Somebody else may have taken it over before its row was ours. */
async function takeOver(tx: Tx, wish: Wish): Promise<Holder> {
  const { hash } = wish
  const known = await tx.row<IdentityRow>(IDENTITIES({ hash }).forUpdate())
  if (known && !tx.isPast(known.expiresAt)) return known
  await tx.change(UPDATE('sluice.Identities').with(identityColumns(tx, wish)).where({ hash }))
  return wish
}

const identityColumns = (tx: Tx, { event, contentHash, windowMs }: Wish) => ({
  event,
  contentHash,
  expiresAt: windowMs === undefined ? null : tx.later(windowMs),
})
