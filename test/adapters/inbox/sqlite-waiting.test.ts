import fc from 'fast-check'
import { memoryInbox } from '../../../adapters/inbox/memory/index.ts'
import { NOW } from '../../helpers/deliveries.ts'
import { LEASE_MS, sender } from '../../helpers/inbox.ts'
import { inboxPair, type LaneEnd } from '../../helpers/inbox-pair.ts'
import { sqliteFile } from '../../helpers/sqlite-file.ts'

const ENDS: readonly LaneEnd[] = ['keep', 'release', 'rest', 'block', 'park', 'park and keep']

const lanes = fc.array(fc.constantFrom('1', '2', '3'), { minLength: 1, maxLength: 5 })
const at = fc.nat(50)
const step = fc.oneof(
  { weight: 5, arbitrary: fc.record({ do: fc.constant('store' as const), lanes }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('poison' as const), lanes }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('claim' as const), perLane: fc.integer({ min: 1, max: 4 }) }) },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('settle' as const),
      at,
      count: fc.nat(4),
      end: fc.constantFrom(...ENDS),
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constantFrom('retry' as const, 'discard' as const), at }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('replay' as const), at }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.constantFrom(1, 1_000, LEASE_MS) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('switch' as const) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constantFrom('drain' as const, 'reopen' as const, 'retain' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('register again' as const) }) },
)

describe('sqlite: what waits', () => {
  it('is what the model says, whatever is done through one or two connections, in whatever order', async function () {
    this.timeout(120_000)
    const property = fc.asyncProperty(
      fc.record({ fileEvery: fc.constantFrom(0, 3, 7, 1_000), connections: fc.constantFrom(1, 2) }),
      fc.array(step, { minLength: 10, maxLength: 60, size: 'max' }),
      async ({ fileEvery, connections }, steps) => {
        let moment = NOW.getTime()
        const now = () => new Date(moment)
        const file = await sqliteFile()
        try {
          const open = () => file.open(now, fileEvery)
          const instances = [await open()]
          if (connections === 2) instances.push(await open())
          const { one, event, delivery } = sender({ now })
          let used = 0
          const pair = inboxPair(memoryInbox({ now }), () => (instances[used] as (typeof instances)[0]).inbox, now)
          await pair.register()
          for (const each of steps) {
            if (each.do === 'store') await pair.store(each.lanes.map((lane) => one({ lane })))
            else if (each.do === 'poison') {
              const twice = { kind: 'event', event: event({ lane: '1' }) } as const
              await pair.poison(
                each.lanes.map((lane) => one({ lane })),
                delivery([twice, twice]),
              )
            } else if (each.do === 'claim') await pair.claim(each.perLane)
            else if (each.do === 'settle') await pair.settle(each.at, each.count, each.end)
            else if (each.do === 'retry') await pair.retry(each.at)
            else if (each.do === 'discard') await pair.discard(each.at)
            else if (each.do === 'replay') await pair.replay(each.at)
            else if (each.do === 'wait') moment += each.ms
            else if (each.do === 'switch') used = (used + 1) % connections
            else if (each.do === 'drain') await pair.drain()
            else if (each.do === 'retain') {
              moment += 1
              await pair.retain()
            } else if (each.do === 'reopen') {
              await instances[used]?.inbox.close()
              instances[used] = await open()
            } else {
              await pair.unregister()
              await pair.register()
            }
            await pair.compare()
          }
          moment += 2 * LEASE_MS
          await pair.drain()
          await pair.compare()
          await pair.compareEnds()
        } finally {
          await file.dispose()
        }
      },
    )
    await fc.assert(property, { numRuns: 60 })
  })
})
