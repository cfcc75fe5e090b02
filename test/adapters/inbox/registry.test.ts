import { expect } from 'chai'
import { planFanOut, planReplay, type Registry } from '../../../adapters/inbox/registry.ts'
import { NOW } from '../../helpers/deliveries.ts'
import { sender } from '../../helpers/inbox.ts'

const NAMES = Array.from({ length: 20 }, (_, n) => `subscription-${n}`)
const registry: Registry = new Map(NAMES.map((name) => [name, { name, filter: { on: ['*'] }, paused: false }]))
const { event } = sender({ now: () => NOW })

describe('lanes that a transaction enters', () => {
  // Wherever rows of several lanes are locked one by one, another order than everywhere else is a deadlock.
  it('are in the order of their ids, each once, their events in the order in which they came', () => {
    const events = Array.from({ length: 10 }, (_, n) => ({ origin: 'shop', event: event({ lane: `${n % 5}` }) }))
    const { lanes } = planFanOut(registry, events)
    const ids = lanes.map(({ id }) => id)
    expect(ids).to.deep.equal([...new Set(ids)].sort())
    expect(ids).to.have.length(5 * NAMES.length)
    for (const { partitionkey, dispatches } of lanes) {
      const inLane = events.filter((each) => each.event.attributes.partitionkey === partitionkey)
      expect(dispatches.map((one) => one.event)).to.deep.equal(inLane.map((each) => each.event.key))
    }
  })

  it('are so in a replay for many subscriptions, too', () => {
    const stored = { ...event({ lane: '1' }), origin: 'shop', delivery: 'd' }
    const ids = planReplay(registry, stored, undefined, []).map(({ id }) => id)
    expect(ids).to.have.length(NAMES.length)
    expect(ids).to.deep.equal([...ids].sort())
  })
})
