import { expect } from 'chai'
import { SluiceError } from '#domain/errors'
import type { Target } from '#domain/target'
import { memoryInbox } from '../../adapters/inbox/memory/index.ts'
import { createGateway, type Gateway } from '../../srv/gateway.ts'
import { virtualClock } from '../../testing/virtual-clock.ts'
import { recordingLog } from '../helpers/recording-log.ts'
import { turns, untilSo } from '../helpers/turns.ts'

const MISMATCH = new SluiceError('entity-mismatch', 'no entity set A_Order', { retry: 'never', remedy: 'Correct it.' })
const DOWN = new SluiceError('target-unreachable', 'nobody answers')

describe('gateway: what subscriptions fetch is compared with the target', () => {
  let gateway: Gateway | undefined
  afterEach(async () => {
    await gateway?.stop({ timeoutMs: 0 })
  })

  async function start(answers: (SluiceError | undefined)[], fetch: { target: string; entity?: string } | undefined) {
    const clock = virtualClock()
    const log = recordingLog()
    const asked: (readonly string[])[] = []
    const target: Target = {
      kind: 'fake',
      entities: {
        A_Order: { key: ['ID'], object: 'Order' },
        Other: { key: ['ID'] },
        A_Item: { key: ['ID'], object: 'Item' },
      },
      session: () => {
        throw new Error('nobody writes here')
      },
      fetch: async () => undefined,
      check: async (entities) => {
        asked.push(entities)
        const answer = answers.shift()
        if (answer) throw answer
      },
    }
    gateway = createGateway({
      inbox: memoryInbox({ now: clock.now }),
      clock,
      log,
      targets: { erp: target },
      subscriptions: [{ name: 'orders', on: ['*'], handler: () => {}, ...(fetch ? { fetch } : {}) }],
    })
    await gateway.start()
    return { clock, log, asked }
  }

  it('says a mismatch at the start, with its remedy, and goes on', async () => {
    const { log, asked } = await start([MISMATCH], { target: 'erp' })
    await untilSo(() => log.messages('error').length > 0)
    expect(asked).to.deep.equal([['A_Order', 'A_Item']])
    const line = log.lines.find(({ level }) => level === 'error')
    expect(line?.fields).to.include({ target: 'erp', code: 'entity-mismatch' })
    expect(String(line?.fields.message)).to.include('Correct it.')
    expect((await gateway?.health())?.state).to.equal('started')
  })

  it('asks a target that is down again, and a good one never', async () => {
    const { clock, log, asked } = await start([DOWN, DOWN, undefined], { target: 'erp', entity: 'A_Order' })
    await untilSo(() => asked.length === 1)
    await turns()
    expect(log.messages('error')).to.deep.equal([])
    expect(log.messages('warn')).to.have.length(1)
    await clock.advance(300_000)
    await clock.advance(300_000)
    await clock.advance(3_000_000)
    expect(asked).to.deep.equal([['A_Order'], ['A_Order'], ['A_Order']])
  })

  it('asks nobody after the stop, and nobody where nothing is fetched', async () => {
    const { clock, asked } = await start([DOWN], { target: 'erp' })
    await untilSo(() => asked.length === 1)
    await turns()
    await gateway?.stop({ timeoutMs: 0 })
    await clock.advance(900_000)
    expect(asked).to.have.length(1)
    const { asked: none } = await start([], undefined)
    await turns()
    expect(none).to.deep.equal([])
  })
})
