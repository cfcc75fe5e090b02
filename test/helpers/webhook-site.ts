import type { Inbox } from '#domain/ports'
import type { GuardedFetch } from '#domain/source'
import { authenticator } from '../../adapters/auth/authenticate.ts'
import { type CloudeventsOptions, cloudevents } from '../../adapters/sources/index.ts'
import { type VirtualClock, virtualClock } from '../../testing/virtual-clock.ts'
import { frontDoor, type Sending } from './front-door.ts'

export interface SiteOptions extends Partial<CloudeventsOptions> {
  readonly retired?: boolean
  readonly maxBytes?: number
  readonly fetch?: GuardedFetch
  readonly inbox?: Inbox
}

export const STRUCTURED = 'application/cloudevents+json'

export const structured = (id = 'e-1', members: Record<string, unknown> = {}): string =>
  JSON.stringify({ specversion: '1.0', id, source: '/sender', type: 'com.example.done', data: { a: 1 }, ...members })

/** A source `events` of kind `cloudevents` behind a real HTTP server, on virtual time. */
export async function webhookSite({ retired = false, maxBytes, fetch, inbox, ...options }: SiteOptions = {}) {
  const source = cloudevents({ auth: { kind: 'none' }, ...options })
  const clock: VirtualClock = virtualClock('2026-03-01T12:00:00Z')
  const door = await frontDoor({
    mount: 'node:http',
    sources: { events: retired ? { ...source, retired } : source },
    authenticate: authenticator(),
    clock,
    ...(maxBytes ? { limits: { maxBytes } } : {}),
    ...(fetch ? { fetch } : {}),
    ...(inbox ? { inbox } : {}),
  })
  const path = '/webhooks/events'
  return {
    ...door,
    clock,
    path,
    deliver: ({ headers = {}, body = structured(), ...rest }: Sending = {}) =>
      door.send({ path, body, ...rest, headers: { 'content-type': STRUCTURED, ...headers } }),
    greet: (headers: Sending['headers'] = {}, to = path) => door.send({ method: 'OPTIONS', path: to, headers }),
    origin: (name: string) => ({ 'webhook-request-origin': name }),
  }
}

export type WebhookSite = Awaited<ReturnType<typeof webhookSite>>
