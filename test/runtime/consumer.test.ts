import { expect } from 'chai'
import { type Fault, SluiceError } from '#domain/errors'
import type { Pull, PulledMessage } from '#domain/pull'
import type { Source } from '#domain/source'
import { type Consumer, checkConsumers, createConsumer, pulled } from '../../srv/runtime/consumer.ts'
import { type VirtualClock, virtualClock } from '../../testing/virtual-clock.ts'
import { thrownBy } from '../helpers/faults.ts'
import { recordingLog } from '../helpers/recording-log.ts'
import { turns } from '../helpers/turns.ts'

const source: Source = { kind: 'fake', verify: () => ({ ok: false, reason: 'token-missing' }), normalize: () => [] }

/** A queue, a store and what happened to both, in order. */
function bench({ consumers = 1, idleMs = 8_000 } = {}) {
  const clock: VirtualClock = virtualClock()
  const log = recordingLog()
  const ready: string[] = []
  const story: string[] = []
  const problems: (string | undefined)[] = []
  const faults = {
    consume: [] as SluiceError[],
    acknowledge: [] as SluiceError[],
    store: 0,
    thrown: undefined as Error[] | undefined,
  }
  let asked = 0
  let [underway, most] = [0, 0]
  let gate: Promise<void> | undefined
  const pull: Pull = {
    async consume() {
      asked += 1
      const fault = faults.consume.shift()
      if (fault) throw fault
      const id = ready.shift()
      return id === undefined ? undefined : { id, body: Buffer.from(id), headers: {} }
    },
    async acknowledge(id) {
      const fault = faults.acknowledge.shift()
      if (fault) throw fault
      story.push(`acknowledged ${id}`)
    },
    close: () => void story.push('closed'),
  }
  const store = async (_: string, { id }: PulledMessage) => {
    underway += 1
    most = Math.max(most, underway)
    await gate
    underway -= 1
    if (faults.thrown) throw faults.thrown.pop()
    const ok = faults.store === 0
    if (!ok) faults.store -= 1
    story.push(ok ? `stored ${id}` : `failed ${id}`)
    return ok
  }
  const report = (_: string, fault: Fault | undefined) => void problems.push(fault?.message)
  const parts = { clock, log, random: () => 0.5, store, report }
  const consumer: Consumer = createConsumer({ name: 's4', source, pull, consumers, idleMs }, parts)
  return {
    ...{ clock, log, ready, story, problems, faults, consumer },
    asked: () => asked,
    most: () => most,
    hold() {
      let open = () => {}
      gate = new Promise((resolve) => {
        open = resolve
      })
      return open
    },
  }
}

const unavailable = new SluiceError('mesh-unavailable', 'Event Mesh answered 503.')

describe('consumer', () => {
  it('acknowledges after the commit, never before', async () => {
    const { consumer, ready, story, hold } = bench()
    ready.push('1', '2')
    const open = hold()
    consumer.start()
    await turns()
    expect(story).to.deep.equal([])
    open()
    await turns()
    await consumer.stop(1_000)
    expect(story).to.deep.equal(['stored 1', 'acknowledged 1', 'stored 2', 'acknowledged 2', 'closed'])
  })

  it('does not acknowledge what the store did not take, and offers it again until it does', async () => {
    const { consumer, ready, story, faults, clock } = bench()
    ready.push('1')
    faults.store = 3
    consumer.start()
    await turns()
    expect(story).to.deep.equal(['failed 1'])
    await clock.advance(60_000)
    await consumer.stop(1_000)
    expect(story).to.deep.equal(['failed 1', 'failed 1', 'failed 1', 'stored 1', 'acknowledged 1', 'closed'])
  })

  it('goes on after a store that throws', async () => {
    const { consumer, ready, story, faults, clock, log } = bench()
    ready.push('1')
    faults.thrown = [new TypeError('odd')]
    consumer.start()
    await turns()
    faults.thrown = undefined
    await clock.advance(60_000)
    await consumer.stop(1_000)
    expect(story).to.deep.equal(['stored 1', 'acknowledged 1', 'closed'])
    expect(log.messages('error')).to.deep.equal(['a message could not be stored'])
  })

  it('leaves a message unacknowledged when it has to stop before the store takes it', async () => {
    const { consumer, ready, story, faults } = bench()
    ready.push('1')
    faults.store = 100
    consumer.start()
    await turns()
    await consumer.stop(1_000)
    expect(story.filter((line) => line.startsWith('acknowledged'))).to.deep.equal([])
  })

  it('asks an empty queue ever more rarely, and at once again after a message', async () => {
    const { consumer, ready, asked, clock } = bench()
    consumer.start()
    await turns()
    for (const ms of [250, 500, 1_000, 2_000, 4_000, 8_000, 8_000]) {
      const before = asked()
      await clock.advance(ms - 1)
      expect(asked() - before, `within ${ms} ms`).to.equal(0)
      await clock.advance(1)
      expect(asked() - before, `after ${ms} ms`).to.equal(1)
    }
    ready.push('1')
    await clock.advance(8_000)
    const after = asked()
    await clock.advance(250)
    expect(asked()).to.equal(after + 1)
    await consumer.stop(0)
  })

  it('waits after errors, longer each time and as long as it is asked to', async () => {
    const { consumer, faults, asked, clock, problems } = bench()
    faults.consume.push(unavailable, unavailable, new SluiceError('x', 'y', { retry: { afterMs: 30_000 } }))
    consumer.start()
    await turns()
    for (const [ms, count] of [
      [499, 1],
      [1, 2],
      [999, 2],
      [1, 3],
      [29_999, 3],
      [1, 4],
    ] as const) {
      await clock.advance(ms)
      expect(asked(), `after ${ms}`).to.equal(count)
    }
    expect(problems).to.deep.equal(['Event Mesh answered 503.', 'y', undefined])
    await consumer.stop(0)
  })

  it('says at first that all is well, for whom an earlier life left an alarm, and logs nothing of it', async () => {
    const { consumer, problems, log } = bench()
    consumer.start()
    await turns()
    expect(problems).to.deep.equal([undefined])
    expect(log.lines).to.deep.equal([])
    await consumer.stop(0)
  })

  it('never stops asking, whatever the broker answers for ever', async () => {
    const { consumer, faults, asked, clock, log } = bench()
    const forbidden = new SluiceError('mesh-forbidden', 'no', { retry: 'never' })
    faults.consume.push(...Array.from({ length: 500 }, () => forbidden))
    consumer.start()
    await clock.advance(100 * 60_000)
    // Half of the longest rest each, as the random number is one half.
    expect(asked()).to.be.within(195, 215)
    // Told once, not with every try.
    expect(log.messages('warn')).to.have.length(1)
    await consumer.stop(0)
  })

  it('adds consumers while messages come, up to the limit, and lets them go when the queue is empty', async () => {
    const { consumer, ready, most, asked, clock, hold } = bench({ consumers: 3 })
    ready.push(...Array.from({ length: 30 }, (_, n) => String(n)))
    const open = hold()
    consumer.start()
    await turns()
    expect(most()).to.equal(1)
    open()
    await turns()
    expect(most()).to.equal(3)
    expect(ready).to.deep.equal([])
    const before = asked()
    await clock.advance(250)
    expect(asked()).to.equal(before + 1)
    await consumer.stop(0)
  })

  it('acknowledges again where that failed, and gives up in the end', async () => {
    const { consumer, ready, story, faults, clock, log } = bench()
    ready.push('1', '2')
    faults.acknowledge.push(unavailable, unavailable, unavailable, unavailable, unavailable)
    consumer.start()
    await clock.advance(60_000)
    expect(story).to.deep.equal(['stored 1', 'stored 2', 'acknowledged 2'])
    expect(log.messages('warn')).to.deep.equal(['a stored message was not acknowledged and will come again'])
    await consumer.stop(0)
  })

  it('on stop asks for nothing more, and finishes what was handed out', async () => {
    const { consumer, ready, story, asked, hold } = bench()
    ready.push('1', '2')
    const open = hold()
    consumer.start()
    await turns()
    const stopping = consumer.stop(5_000)
    open()
    await stopping
    expect(story).to.deep.equal(['stored 1', 'acknowledged 1', 'closed'])
    expect(asked()).to.equal(1)
  })

  it('takes what it fetched itself for proved, and reads it as the source does', async () => {
    const item = { ignored: 'seen' } as const
    const own = pulled({
      ...source,
      limits: { maxBytes: 10 },
      handshake: () => ({ status: 200 }),
      normalize: () => [item],
    })
    expect(await own.verify({} as never, {} as never)).to.deep.equal({ ok: true, authlevel: 'token' })
    expect(own).to.include({ kind: 'fake', acknowledge: 'always-ok' })
    expect(own).to.not.have.property('handshake')
    expect(own.normalize({} as never, {} as never)).to.deep.equal([item])
  })

  it('is refused with no consumers, or too many', () => {
    const policy = { name: 's4', source, pull: {} as Pull, idleMs: 1_000 }
    for (const consumers of [0, 101, 1.5]) {
      expect(thrownBy(() => checkConsumers([{ ...policy, consumers }])).code).to.equal('configuration')
    }
  })
})
