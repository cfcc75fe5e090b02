import type { NewDelivery } from '#domain/ports'
import type { ChangesPage } from '#domain/target'
import type { Trace } from '#domain/telemetry'
import { newKey, sha256 } from './ids.ts'
import { toNewItem, traced } from './intake-item.ts'
import type { PollPolicy } from './poll-policy.ts'

/** A page is one delivery. Its identities contain the content: two changes within one tick of the version stay two. */
export function toDeliveries(poll: PollPolicy, page: ChangesPage, now: Date, trace?: Trace): NewDelivery[] {
  if (page.rows.length === 0) return []
  const body = Buffer.from(`[${page.rows.map((row) => row.data).join(',')}]`)
  const items = page.rows.map(({ key, version, data }) =>
    toNewItem(
      {
        ok: true,
        draft: {
          identity: { id: `${key}@${version}#${sha256(data).slice(0, 16)}` },
          attributes: {
            id: `${key}@${version}`,
            source: `/polls/${poll.name}`,
            type: poll.type,
            subject: `${poll.object}/${key}`,
            partitionkey: `${poll.object}/${key}`,
            datacontenttype: 'application/json',
          },
          nature: 'state',
          object: { type: poll.object, key, version },
          data,
        },
      },
      now,
      { authlevel: 'token' },
    ),
  )
  return [
    {
      key: newKey(),
      origin: poll.name,
      channel: 'poll',
      receivedAt: now,
      method: 'GET',
      url: `${poll.target}/${poll.entity}`,
      headers: '{}',
      body,
      bodyHash: sha256(body),
      authlevel: 'token',
      items: trace ? traced(items, trace) : items,
    },
  ]
}
