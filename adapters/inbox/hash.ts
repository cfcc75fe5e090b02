import { hash } from 'node:crypto'

/**
 * 128 bits of SHA-256 as 32 hex digits: short keys of one length, whatever the sender's ids look like. Only the last
 * part may hold a NUL, so no two lists of parts make one text.
 */
const digest = (...parts: readonly string[]): string => hash('sha256', parts.join('\u0000'), 'hex').slice(0, 32)

/** Key of `Lanes`. */
export const laneId = (subscription: string, partitionkey: string): string => digest(subscription, partitionkey)

/** Key of `Identities`. `identity` is `NewEvent.identity`. */
export const identityHash = (origin: string, identity: string): string => digest(origin, identity)

/** Key of `Effects`. */
export const effectHash = (scope: string, object: string): string => digest(scope, object)
