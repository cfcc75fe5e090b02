import { expect } from 'chai'
import { NO_CHECKPOINT } from '#domain/plan-poll'
import type { Inbox, Lease } from '#domain/ports'
import { drain, sender } from '../../helpers/inbox.ts'
import type { UseInbox } from '../inbox.suite.ts'

const STATE = { watermark: '2026-03-01T11:59:00.1234567Z', slotAt: '2026-03-01T12:00:00.000Z', completedAt: null }

export function journalSuite(use: UseInbox): void {
  describe('journal', () => {
    it('gives a named lease to one of 12, with a fence that grows with every holder', async () => {
      const harness = use()
      const { inbox } = harness
      const other = await harness.another()
      const won = await race(12, (n) => (n % 2 ? inbox : other).journal.lease('poll:a', `worker-${n}`, 10_000))
      expect(won).to.have.length(1)
      const [first] = won
      expect(first).to.deep.include({ name: 'poll:a', fence: 1, until: new Date(harness.now().getTime() + 10_000) })
      harness.advance(9_000)
      const prolonged = await inbox.journal.lease('poll:a', first?.owner ?? '', 10_000)
      expect(prolonged).to.deep.include({ fence: 1, until: new Date(harness.now().getTime() + 10_000) })
      harness.advance(10_000)
      const next = await race(12, (n) => (n % 2 ? inbox : other).journal.lease('poll:a', `successor-${n}`, 10_000))
      expect(next.map(({ fence }) => fence)).to.deep.equal([2])
      expect(await inbox.journal.lease('poll:b', 'else', 1_000)).to.deep.include({ fence: 1 })
    })

    it('frees a lease that its holder gives back, and nobody else', async () => {
      const { inbox } = use()
      const lease = await held(inbox, 'one')
      await inbox.journal.releaseLease({ name: 'poll', owner: 'two' })
      expect(await inbox.journal.lease('poll', 'two', 1_000)).to.equal(undefined)
      await inbox.journal.releaseLease(lease)
      expect((await held(inbox, 'two')).fence).to.be.greaterThan(lease.fence)
    })

    it('commits a page with its checkpoint, only from the revision that was read', async () => {
      const harness = use()
      const { inbox } = harness
      await inbox.admin.register([{ name: 'orders', filter: { on: ['*'] } }])
      const { one } = sender(harness)
      const lease = await held(inbox)
      expect(await inbox.journal.checkpoint('poll')).to.deep.equal({ state: NO_CHECKPOINT, revision: 0 })
      const page = (id: string) => [one({ id, data: id, lane: '1' }, { origin: 'poll', channel: 'poll' })]
      const advance = (expectedRevision: number, id: string) =>
        inbox.journal.advance({ poll: 'poll', lease, expectedRevision, state: STATE, deliveries: page(id) })
      expect((await advance(0, 'a'))?.map(({ outcome }) => outcome)).to.deep.equal(['accepted'])
      expect(await inbox.journal.checkpoint('poll')).to.deep.equal({ state: STATE, revision: 1 })
      expect(await advance(0, 'b')).to.equal(undefined)
      expect(await advance(7, 'b')).to.equal(undefined)
      const race = await Promise.all(['c', 'd', 'e'].map((id) => advance(1, id)))
      expect(race.filter((outcomes) => outcomes !== undefined)).to.have.length(1)
      expect((await inbox.journal.checkpoint('poll')).revision).to.equal(2)
      expect(
        (await advance(2, 'a'))?.map(({ outcome }) => outcome),
        'seen before',
      ).to.deep.equal(['duplicate'])
      const worked = await drain(harness, 'orders')
      expect(worked).to.have.length(2)
      expect(worked[0]).to.equal('a')
    })

    it('writes nothing for a leader that lost its lease', async () => {
      const harness = use()
      const { inbox } = harness
      const stale = await held(inbox, 'one')
      harness.advance(10_000)
      const current = await held(inbox, 'two')
      const delivery = sender(harness).one({ id: 'a' })
      const advance = (lease: Lease) =>
        inbox.journal.advance({ poll: 'poll', lease, expectedRevision: 0, state: STATE, deliveries: [delivery] })
      expect(await advance(stale)).to.equal(undefined)
      expect(await advance({ ...current, fence: current.fence - 1 })).to.equal(undefined)
      expect(await advance({ ...current, name: 'another' })).to.equal(undefined)
      expect(await inbox.work.payload(delivery.key)).to.equal(undefined)
      expect((await inbox.journal.checkpoint('poll')).revision).to.equal(0)
      expect((await advance(current))?.[0]?.outcome).to.equal('accepted')
    })

    it('stores an empty page, and keeps polls apart', async () => {
      const { inbox } = use()
      const lease = await held(inbox)
      const state = { watermark: null, slotAt: null, completedAt: '2026-03-01T12:00:00.000Z' }
      const step = { lease, expectedRevision: 0, state, deliveries: [] }
      expect(await inbox.journal.advance({ poll: 'poll', ...step })).to.deep.equal([])
      expect(await inbox.journal.checkpoint('poll')).to.deep.equal({ state, revision: 1 })
      expect((await inbox.journal.checkpoint('other')).revision).to.equal(0)
    })

    it('keeps small state of a source as JSON', async () => {
      const { inbox } = use()
      const { journal } = inbox
      expect(await journal.sourceState('shop', 'grant')).to.equal(undefined)
      const grant = { secret: 'é', until: 12, list: [1, null, { a: true }] }
      await journal.setSourceState('shop', 'grant', grant)
      await journal.setSourceState('other', 'grant', 'other')
      expect(await journal.sourceState('shop', 'grant')).to.deep.equal(grant)
      await journal.setSourceState('shop', 'grant', null)
      expect(await journal.sourceState('shop', 'grant')).to.equal(null)
      expect(await journal.sourceState('other', 'grant')).to.equal('other')
    })

    it('adds rejections up, per source, reason and minute', async () => {
      const harness = use()
      const { inbox, peek } = harness
      const other = await harness.another()
      const minute = new Date('2026-03-01T12:00:00.000Z')
      const count = (reason: string, count: number, at = minute) => ({ source: 'shop', reason, minute: at, count })
      await Promise.all(
        Array.from({ length: 10 }, (_, n) =>
          (n % 2 ? inbox : other).journal.countRejections([count('token-invalid', 2), count('signature-invalid', 1)]),
        ),
      )
      const later = new Date('2026-03-01T12:01:00.000Z')
      await inbox.journal.countRejections([
        count('token-invalid', 5, later),
        { ...count('token-invalid', 9), source: 'x' },
      ])
      await inbox.journal.countRejections([])
      const found = await peek.rejections('shop')
      expect(found.map((one) => [one.reason, one.minute.toISOString(), one.count]).sort()).to.deep.equal([
        ['signature-invalid', minute.toISOString(), 10],
        ['token-invalid', minute.toISOString(), 20],
        ['token-invalid', later.toISOString(), 5],
      ])
    })
  })
}

async function race(size: number, take: (n: number) => Promise<Lease | undefined>): Promise<Lease[]> {
  const taken = await Promise.all(Array.from({ length: size }, (_, n) => take(n)))
  return taken.filter((lease) => lease !== undefined)
}

async function held(inbox: Inbox, owner = 'one'): Promise<Lease> {
  const lease = await inbox.journal.lease('poll', owner, 10_000)
  if (!lease) throw new Error('the lease is taken')
  return lease
}
