import { hash } from 'node:crypto'
import type { SourceContext } from '#domain/source'

/** Requests per minute, or no limit. */
export type Rate = number | '*'

/** What a sender was granted. Kept in the source's state. */
export interface Grant {
  readonly origin: string
  readonly rate: Rate
  readonly at: string
  readonly by: 'reply' | 'callback'
}

/** How long an instance relies on what it read: a grant of another instance counts after that. */
const READ_MS = 60_000
const MINUTE_MS = 60_000
const MAX_NAME_LENGTH = 100

export async function remember(context: SourceContext, grant: Grant): Promise<void> {
  const name = nameOf(grant.origin)
  await context.state.set(name, grant)
  context.cache.set(name, { grant }, READ_MS)
}

/** @returns undefined where the origin was granted nothing, or nothing but what is configured */
async function grantOf(context: SourceContext, origin: string): Promise<Grant | undefined> {
  const name = nameOf(origin)
  const known = context.cache.get(name) as { readonly grant: Grant | undefined } | undefined
  if (known) return known.grant
  const grant = (await context.state.get(name)) as Grant | undefined
  context.cache.set(name, { grant }, READ_MS)
  return grant
}

/** As long as the store's column; a longer origin goes by its hash. */
function nameOf(origin: string): string {
  const name = `grant:${origin.toLowerCase()}`
  return name.length <= MAX_NAME_LENGTH ? name : `grant:sha256:${hash('sha256', name, 'hex')}`
}

/**
 * Counts a delivery of an origin, in windows of one minute that begin with their first delivery. Each instance counts its
 * own: a count shared by all would cost every delivery a round trip more.
 * @param allowed the configured limit, which a lower grant narrows and a higher one does not widen
 * @returns ms until the next window where this delivery is over the rate
 */
export async function countDelivery(
  context: SourceContext,
  origin: string,
  allowed: Rate,
): Promise<number | undefined> {
  if (allowed === '*') return undefined
  const granted = (await grantOf(context, origin))?.rate ?? '*'
  const rate = granted === '*' ? allowed : Math.min(granted, allowed)
  const name = `rate:${origin.toLowerCase()}`
  const now = context.now.getTime()
  let window = context.cache.get(name) as { count: number; readonly endsAt: number } | undefined
  if (!window) {
    window = { count: 0, endsAt: now + MINUTE_MS }
    context.cache.set(name, window, MINUTE_MS)
  }
  window.count += 1
  return window.count > rate ? Math.max(1, window.endsAt - now) : undefined
}
