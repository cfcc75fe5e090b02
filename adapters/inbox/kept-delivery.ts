import type { KeptDelivery } from '#domain/kept-delivery'

/** A row of Deliveries, as far as handlers may read it. */
export interface KeptRow {
  readonly receivedAt: string | Date
  readonly method: string | null
  readonly url: string | null
  readonly headers: string | null
  readonly principal: string | null
}

export const toKept = (key: string, { receivedAt, method, url, headers, principal }: KeptRow): KeptDelivery => ({
  key,
  receivedAt: new Date(receivedAt),
  method: method ?? '',
  path: url ?? '',
  headers: JSON.parse(headers ?? '{}') as KeptDelivery['headers'],
  ...(principal ? { principal } : {}),
})
