import { hash } from 'node:crypto'

/** 128 bits of SHA-256 as 32 hex digits. Only the last part may hold a NUL, so no two lists of parts make one text. */
const digest = (...parts: readonly string[]): string => hash('sha256', parts.join('\u0000'), 'hex').slice(0, 32)

const LEAD_LENGTH = 24
const NOT_PRINTABLE = /[^!-~]/g

/**
 * What stands in front of a digest, so that keys made one after the other lie together on disk: most senders' ids begin
 * with their time (UUID v1, v6 and v7, KSUID, ULID, Stripe's), and so do our events' keys. Scattered keys cost as much
 * as the rest of a commit.
 */
const lead = (text: string): string => text.slice(0, LEAD_LENGTH).replace(NOT_PRINTABLE, '')

const EVENT_KEY = /^[\da-f]{8}-[\da-f]{4}-7[\da-f]{3}-/

/** Key of `Lanes`. Only a lane made for one event has its time in front: a business key's has none. */
export const laneId = (subscription: string, partitionkey: string): string =>
  (EVENT_KEY.test(partitionkey) ? lead(partitionkey) : '') + digest(subscription, partitionkey)

/** Key of `Identities`. `identity` is `NewEvent.identity`. */
export const identityHash = (origin: string, identity: string): string =>
  lead(identity.slice(identity.indexOf(':') + 1)) + digest(origin, identity)

/** Key of `Effects`. */
export const effectHash = (scope: string, object: string): string => digest(scope, object)
