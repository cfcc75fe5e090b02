import { createGateway, type Delivery, type Source } from 'cap-sluice'
import { memoryInbox } from 'cap-sluice/inbox'
import { virtualClock } from 'cap-sluice/testing'
import { expect } from 'chai'
import fc from 'fast-check'
import type { Target, TargetRecord } from '#domain/target'

/** A change of headquarters' data: `n` tells contents apart, also where the clock's tick gives two the same version. */
interface Change {
  readonly key: string
  readonly n: number
  readonly version: string
}

const START = Date.parse('2026-01-01T00:00:00Z')
const OVERLAP_MS = 60_000

/** Headquarters: current rows, a push that may lose, double and reorder, and a poll that sees only what is there now. */
function headquarters(coarse: boolean) {
  const rows = new Map<string, Change>()
  let n = 0
  const record = ({ key, n: content, version }: Change): TargetRecord => ({
    data: { ID: key, content, version },
    version,
  })
  const target: Target = {
    kind: 'test',
    entities: { Orders: { key: ['ID'], object: 'Order', version: 'version' } },
    session: () => {
      throw new Error('headquarters is only read')
    },
    fetch: async (_entity, key) => {
      const row = rows.get(String(key.ID))
      return row && record(row)
    },
    changes: async ({ since = '' }) => ({
      rows: [...rows.values()]
        .filter(({ version }) => version >= since)
        .sort((a, b) => (a.version < b.version ? -1 : 1))
        .map((row) => ({ key: row.key, version: row.version, data: JSON.stringify(record(row).data) })),
    }),
  }
  return {
    rows,
    target,
    change(key: string, at: Date): Change {
      const ms = coarse ? Math.floor(at.getTime() / 60_000) * 60_000 : at.getTime()
      n += 1
      const change = { key, n, version: new Date(ms).toISOString() }
      rows.set(key, change)
      return change
    },
  }
}

/** Says only which object changed, as S/4's notifications do. */
const mesh: Source = {
  kind: 'test',
  verify: () => ({ ok: true, authlevel: 'token' }),
  normalize: ({ body }: Delivery) => {
    const { id, key } = JSON.parse(Buffer.from(body).toString()) as { id: string; key: string }
    const attributes = { id, source: '/hq', type: 'order.changed.v1', subject: key, partitionkey: `Order/${key}` }
    return [{ ok: true, draft: { identity: { id }, attributes, nature: 'state', object: { type: 'Order', key } } }]
  },
}

type Step =
  | { readonly do: 'change'; readonly key: string; readonly push: 'now' | 'later' | 'lost' | 'twice' }
  | { readonly do: 'late-push'; readonly pick: number }
  | { readonly do: 'poll' }
  | { readonly do: 'pass'; readonly ms: number }

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('change' as const),
      key: fc.constantFrom('1', '2'),
      push: fc.constantFrom('now' as const, 'later' as const, 'lost' as const, 'twice' as const),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('late-push' as const), pick: fc.nat(20) }) },
  { weight: 2, arbitrary: fc.constant({ do: 'poll' as const }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('pass' as const), ms: fc.constantFrom(1, 500, 20_000) }) },
)

/** Runs a history and returns, per key, the contents that reached the ERP, in order. */
async function play(steps: readonly Step[], coarse: boolean) {
  const clock = virtualClock(new Date(START))
  const hq = headquarters(coarse)
  const effects = new Map<string, number[]>()
  const gateway = createGateway({
    inbox: memoryInbox({ now: () => clock.now() }),
    clock,
    sources: { mesh },
    targets: { hq: hq.target },
    polls: [
      {
        name: 'orders-poll',
        target: 'hq',
        entity: 'Orders',
        type: 'order.polled.v1',
        object: 'Order',
        schedule: { slotsBetween: () => [clock.now()], start: () => ({ stop() {} }) },
        overlapMs: OVERLAP_MS,
        pageSize: 100,
        when: 'always',
        staleAfterMs: 1,
        startFrom: 'now',
      },
    ],
  })
  gateway.on('order.*', { name: 'copy', fetch: { target: 'hq' } }, (event, { record }) => {
    const key = event.object?.key ?? ''
    effects.set(key, [...(effects.get(key) ?? []), Number(record?.data.content)])
  })
  await gateway.start()
  const push = (change: Change) => {
    const body = Buffer.from(JSON.stringify({ id: `e${change.n}`, key: change.key }))
    return gateway.receive({ method: 'POST', url: '/webhooks/mesh', headers: {}, body })
  }
  const late: Change[] = []
  for (const each of steps) {
    if (each.do === 'change') {
      const change = hq.change(each.key, clock.now())
      if (each.push === 'now' || each.push === 'twice') await push(change)
      if (each.push === 'twice' || each.push === 'later') late.push(change)
    } else if (each.do === 'late-push' && late.length > 0) {
      await push(late.splice(each.pick % late.length, 1)[0] as Change)
    } else if (each.do === 'poll') {
      await gateway.poll('orders-poll')
    } else if (each.do === 'pass') {
      await clock.advance(each.ms)
    }
  }
  // In the end push is silent and only the poll is left to find what got lost.
  await clock.advance(1_000)
  await gateway.poll('orders-poll')
  await clock.advance(5_000)
  await gateway.stop()
  return { effects, rows: hq.rows }
}

describe('push and poll together', () => {
  // Mutations that turn both red: `isAbsorbed` that says never, and one that looks at the version and not at the content.
  for (const coarse of [false, true]) {
    it(`peer defect 11: in every interleaving each change has at most one effect, in order, and the last one wins${coarse ? ' (coarse versions)' : ''}`, async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 25 }), async (steps) => {
          const { effects, rows } = await play(steps, coarse)
          for (const [key, { n }] of rows) {
            const seen = effects.get(key) ?? []
            expect(seen.at(-1), `last effect of ${key}`).to.equal(n)
            expect(seen, `effects of ${key}`).to.deep.equal([...new Set(seen)].sort((a, b) => a - b))
          }
        }),
        { numRuns: 150 },
      )
    })
  }
})
