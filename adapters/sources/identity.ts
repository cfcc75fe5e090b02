import type { Identity } from '#domain/event'
import { misconfigured } from './options.ts'

/** How deliveries without a sender's id are recognized, as configured: not at all, or by equal content for a while. */
export function identityWithoutId(
  kind: string,
  identity: 'none' | { readonly hashWindowMs: number } | undefined,
): Identity {
  if (identity === 'none') return { none: true }
  if (typeof identity === 'object' && identity.hashWindowMs > 0) return { hash: true, windowMs: identity.hashWindowMs }
  throw misconfigured(
    kind,
    'id',
    'is missing',
    'Say where the sender\'s id stands, or set "identity" to "none" or { "hashWindowMs": … }.',
  )
}
