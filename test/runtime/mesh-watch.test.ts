import { expect } from 'chai'
import { SluiceError } from '#domain/errors'
import { type DesiredMesh, describeStep, type FoundMesh, type MeshStep } from '#domain/plan-mesh'
import type { Journal } from '#domain/ports'
import { memoryInbox } from '../../adapters/inbox/memory/index.ts'
import { applyMesh, createMeshWatch, type Mesh } from '../../srv/runtime/mesh-watch.ts'
import { readRisks, riskBoard } from '../../srv/runtime/risk-board.ts'
import { virtualClock } from '../../testing/virtual-clock.ts'
import { faultOf } from '../helpers/faults.ts'
import { recordingLog } from '../helpers/recording-log.ts'
import { gate, turns, untilSo } from '../helpers/turns.ts'

const MINUTE_MS = 60_000
const risksOf = (journal: Journal, source: string) => readRisks(journal, [[source, 'mesh']])

const desired: DesiredMesh = {
  queue: 'q',
  settings: {},
  topics: ['a/*'],
  exactTopics: false,
  resume: true,
  webhook: {
    name: 'q',
    queue: 'q',
    url: 'https://app.example',
    qos: 1,
    exemptHandshake: false,
    contentType: 'application/json',
    auth: {},
  },
}

/** A broker that remembers what it is told. */
function fakeMesh() {
  const story: string[] = []
  let found: FoundMesh = { topics: [], rivals: [] }
  let fault: unknown
  let refused: string | undefined
  let held: Promise<void> | undefined
  const change = (step: MeshStep): FoundMesh => {
    if (step.step === 'create-queue') return { ...found, settings: { ...step.settings, deadMsgQueue: 'dead' } }
    if (step.step === 'add-topic') return { ...found, topics: [...found.topics, step.topic] }
    if (step.step === 'create-webhook')
      return { ...found, webhook: { ...step.webhook, handshake: 'completed', paused: false } }
    if (step.step === 'resume' && found.webhook) return { ...found, webhook: { ...found.webhook, paused: false } }
    return found
  }
  const mesh: Mesh = {
    desired,
    async look() {
      story.push('look')
      await held
      if (fault !== undefined) throw fault
      return found
    },
    async carryOut(step) {
      story.push(describeStep(step))
      if (step.step === refused) throw new SluiceError('mesh-forbidden', 'no', { retry: 'never', httpStatus: 403 })
      found = change(step)
    },
    close: () => void story.push('close'),
  }
  return {
    mesh,
    story,
    found: () => found,
    set(next: FoundMesh) {
      found = next
    },
    hold(until: Promise<void>) {
      held = until
    },
    fail(thrown: unknown) {
      fault = thrown
    },
    refuse(step: MeshStep['step']) {
      refused = step
    },
  }
}

function bench(instances = 1, wanted = desired) {
  const clock = virtualClock()
  const memory = memoryInbox({ now: clock.now })
  const broker = fakeMesh()
  const log = recordingLog()
  const { journal } = memory
  const mesh = { ...broker.mesh, desired: wanted }
  const watched = { source: 's4', role: 'intake', mesh, watchMs: MINUTE_MS } as const
  const watches = Array.from({ length: instances }, (_, n) =>
    createMeshWatch({
      meshes: [watched],
      journal,
      clock,
      log,
      board: riskBoard(journal, log),
      instance: `instance-${n}`,
    }),
  )
  return { clock, broker, log, journal, watches, watched, watch: watches[0] as (typeof watches)[0] }
}

describe('applyMesh', () => {
  it('carries out what differs, once, and says what is left', async () => {
    const { mesh, story } = fakeMesh()
    const { done, plan } = await applyMesh(mesh)
    expect(done).to.have.length(3)
    expect(plan).to.deep.equal({ steps: [], risks: [] })
    expect(story.filter((line) => line === 'look')).to.have.length(2)
  })

  it('does not repeat a step that brought nothing about', async () => {
    const broker = fakeMesh()
    await applyMesh(broker.mesh)
    const { webhook } = broker.found()
    broker.set({ ...broker.found(), ...(webhook ? { webhook: { ...webhook, handshake: 'failed' as const } } : {}) })
    broker.story.length = 0
    const { done, plan } = await applyMesh(broker.mesh)
    expect(broker.story).to.deep.equal(['look', 'handshake q', 'look'])
    expect(done).to.have.length(1)
    expect(plan.risks.map(({ code }) => code)).to.deep.equal(['handshake-failed'])
  })
})

describe('applyMesh where the broker refuses a step for good', () => {
  it('carries out the others, and says which is refused', async () => {
    const broker = fakeMesh()
    broker.refuse('add-topic')
    const { done, plan } = await applyMesh(broker.mesh)
    expect(done.map(({ step }) => step)).to.deep.equal(['create-queue', 'create-webhook'])
    expect(plan.risks.map(({ code, severity }) => [code, severity])).to.deep.equal([
      ['refused', 'alarm'],
      ['topic-missing', 'alarm'],
    ])
    expect(broker.story.filter((line) => line.startsWith('add-topic'))).to.have.length(1)
  })

  it('stops where it is the queue', async () => {
    const broker = fakeMesh()
    broker.refuse('create-queue')
    expect((await faultOf(applyMesh(broker.mesh))).code).to.equal('mesh-forbidden')
    expect(broker.story).to.have.length(2)
  })
})

describe('mesh watch', () => {
  it('waits until the address can be reached, sets up, and looks again on schedule', async () => {
    const { clock, broker, watch } = bench()
    watch.start()
    await clock.advance(4_999)
    expect(broker.story).to.deep.equal([])
    await clock.advance(1)
    expect(broker.story.at(-1)).to.equal('look')
    const before = broker.story.length
    // Soon, because the webhook is new: its handshake may be completed. Then on schedule.
    await clock.advance(5_000)
    expect(broker.story.slice(before)).to.deep.equal(['look'])
    await clock.advance(3 * MINUTE_MS)
    expect(broker.story.slice(before)).to.deep.equal(['look', 'look', 'look', 'look'])
    await watch.stop(1_000)
    await clock.advance(10 * MINUTE_MS)
    expect(broker.story.slice(before)).to.deep.equal(['look', 'look', 'look', 'look', 'close'])
  })

  it('resumes what somebody paused meanwhile', async () => {
    const { clock, broker, watch, log } = bench()
    watch.start()
    await clock.advance(5_000)
    const { webhook } = broker.found()
    if (webhook) broker.set({ ...broker.found(), webhook: { ...webhook, paused: true } })
    await clock.advance(5_000)
    expect(broker.found().webhook?.paused).to.equal(false)
    expect(log.lines.map(({ fields }) => fields.change)).to.include('resume q')
    // On schedule again: what a broker does not keep must not be asked for all the time.
    const looks = broker.story.length
    await clock.advance(MINUTE_MS - 1)
    expect(broker.story).to.have.length(looks)
    await watch.stop(0)
  })

  it('replaces a webhook once that stays different, and not with every look', async () => {
    const { clock, broker, watch, journal } = bench()
    watch.start()
    await clock.advance(5_000)
    const { webhook } = broker.found()
    // As a broker would that writes addresses in its own way.
    if (webhook) broker.set({ ...broker.found(), webhook: { ...webhook, url: 'https://app.example/' } })
    await clock.advance(5 * MINUTE_MS)
    expect(broker.story.filter((line) => line.startsWith('replace-webhook'))).to.have.length(1)
    expect((await risksOf(journal, 's4')).map(({ code }) => code)).to.deep.equal(['webhook-differs'])
    if (webhook) broker.set({ ...broker.found(), webhook: { ...webhook, url: 'https://elsewhere.example' } })
    await clock.advance(MINUTE_MS)
    expect(broker.story.filter((line) => line.startsWith('replace-webhook'))).to.have.length(2)
    await watch.stop(0)
  })

  it('is led by one instance at a time', async () => {
    const { clock, broker, watches } = bench(3)
    const looking = gate()
    broker.hold(looking.passed)
    for (const watch of watches) watch.start()
    await clock.advance(5_000)
    expect(broker.story).to.deep.equal(['look'])
    looking.open()
    await clock.advance(1)
    expect(broker.story.filter((line) => line.startsWith('create-queue'))).to.have.length(1)
    for (const watch of watches) await watch.stop(0)
  })

  for (const thrown of [
    new SluiceError('mesh-unreachable', 'mesh.example cannot be reached.'),
    new TypeError('odd'),
    null,
  ]) {
    it(`survives a broker that throws ${thrown}, alarms, and takes up again`, async () => {
      const { clock, broker, watch, journal, log } = bench()
      broker.fail(thrown)
      watch.start()
      await clock.advance(5_000 + 3 * MINUTE_MS)
      expect(broker.story).to.deep.equal(['look', 'look', 'look', 'look'])
      expect((await risksOf(journal, 's4')).map(({ code, severity }) => [code, severity])).to.deep.equal([
        ['unreachable', 'alarm'],
      ])
      // Once, and not with every look.
      expect(log.messages('error')).to.have.length(1)
      broker.fail(undefined)
      await clock.advance(MINUTE_MS)
      expect(await risksOf(journal, 's4')).to.deep.equal([])
      expect(log.messages('info')).to.include('a risk is over')
      await watch.stop(0)
    })
  }

  it('waits as long as the broker asks it to', async () => {
    const { clock, broker, watch } = bench()
    broker.fail(new SluiceError('mesh-unavailable', '429', { retry: { afterMs: 10 * MINUTE_MS }, httpStatus: 429 }))
    watch.start()
    await clock.advance(5_000)
    await clock.advance(10 * MINUTE_MS - 1)
    expect(broker.story).to.deep.equal(['look'])
    await clock.advance(1)
    expect(broker.story).to.deep.equal(['look', 'look'])
    await watch.stop(0)
  })

  it('says when a queue that is pulled was looked at first, by whichever instance', async () => {
    const { webhook: _pushed, ...pulled } = desired
    const { clock, broker, watches } = bench(2, pulled)
    const { passed, open } = gate()
    broker.hold(passed)
    const looked: number[] = []
    for (const [n, watch] of watches.entries()) {
      void watch.looked('s4').then(() => looked.push(n))
      watch.start()
    }
    await turns()
    expect(looked, 'the queue may be on its way').to.deep.equal([])
    open()
    await untilSo(() => looked.length === 1)
    expect(looked, 'the other one knows nothing of it yet').to.deep.equal([0])
    await clock.advance(5_000)
    await untilSo(() => looked.length === 2)
    await Promise.all(watches.map((watch) => watch.stop(0)))
  })

  it('waits for another instance’s first look once, should it have died with it', async () => {
    const { webhook: _pushed, ...pulled } = desired
    const { clock, journal, watch } = bench(1, pulled)
    await journal.lease('mesh:s4', 'dead', 300_000)
    let looked = false
    void watch.looked('s4').then(() => {
      looked = true
    })
    watch.start()
    await turns()
    expect(looked).to.equal(false)
    await clock.advance(5_000)
    await untilSo(() => looked)
    await watch.stop(0)
  })

  it('shows a risk that comes back, whichever instance saw it go', async () => {
    const { broker, watches, watched, journal } = bench(2)
    const [one, other] = watches
    await applyMesh(broker.mesh)
    const { webhook } = broker.found()
    if (!webhook) throw new Error('no webhook')
    const codes = async () => (await risksOf(journal, 's4')).map(({ code }) => code)
    const exempted = { ...broker.found(), webhook: { ...webhook, handshake: 'exempted' as const } }
    for (const [watch, found, expected] of [
      [one, exempted, ['handshake-exempted']],
      [other, { ...broker.found() }, []],
      [one, exempted, ['handshake-exempted']],
    ] as const) {
      broker.set(found)
      await watch?.run(watched)
      expect(await codes()).to.deep.equal(expected)
    }
    for (const watch of watches) await watch.stop(0)
  })

  it('does not take a store that is down for a broker that is', async () => {
    const { broker, watched, clock, log, journal } = bench()
    const down = async () => {
      throw new SluiceError('store-unavailable', 'The disk is full.')
    }
    const watch = createMeshWatch({
      meshes: [watched],
      journal: { ...journal, lease: down },
      clock,
      log,
      board: riskBoard(journal, log),
      instance: 'i',
    })
    watch.start()
    await clock.advance(5_000 + MINUTE_MS)
    expect(broker.story).to.deep.equal([])
    expect(await risksOf(journal, 's4')).to.deep.equal([])
    expect(log.messages('warn')).to.deep.equal(Array(2).fill('a broker could not be looked at'))
    await watch.stop(0)
  })

  it('keeps risks where every instance finds them, alarms first', async () => {
    const { broker, watch, watched, journal } = bench()
    await applyMesh(broker.mesh)
    const { webhook } = broker.found()
    if (webhook) {
      const hook = {
        ...webhook,
        qos: 0 as const,
        paused: true,
        handshake: 'requested' as const,
        url: desired.webhook?.url ?? '',
      }
      broker.mesh.carryOut = async () => undefined
      broker.set({ ...broker.found(), webhook: hook })
    }
    await watch.run(watched)
    await watch.stop(0)
    const risks = await risksOf(journal, 's4')
    expect(risks.map(({ severity }) => severity)).to.deep.equal(['alarm', 'alarm', 'risk', 'risk'])
    expect(risks.map(({ code }) => code)).to.include.members([
      'qos-0',
      'paused',
      'handshake-pending',
      'webhook-differs',
    ])
    expect(await risksOf(journal, 'another')).to.deep.equal([])
  })
})
