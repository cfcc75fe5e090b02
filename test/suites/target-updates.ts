import { expect } from 'chai'
import { dispatchScopes } from '../helpers/dispatch-scopes.ts'
import { faultOf } from '../helpers/faults.ts'
import { type TargetFixture, targetTools } from './target-fixture.ts'

/** Updates and upserts: never over a newer version, never twice. */
export function describeUpdates(fixture: () => TargetFixture): void {
  const { open, created, patch } = targetTools(fixture)

  describe('update', () => {
    it('writes, and remembers the version it made, the same the change feed shows, and the one it replaced', async () => {
      const { target, entity, scopes, key, reference } = await created()
      const before = await target.fetch(entity, key, new AbortController().signal)
      const result = await target.session(scopes.nextTry()).update(entity, key, patch('B'))
      expect(result.outcome).to.equal('updated')
      expect(await fixture().values(reference)).to.deep.equal(['B'])
      const record = await target.fetch(entity, key, new AbortController().signal)
      expect(scopes.wrote.at(-1)).to.deep.equal({
        type: target.entities[entity]?.object,
        key: Object.values(key).join('/'),
        version: record?.version,
        over: before?.version,
      })
    })

    it('needs one request where the state is known', async () => {
      const { target, entity, scopes, key } = await created()
      const session = target.session(scopes.nextTry())
      const before = await fixture().requests()
      for (const value of ['B', 'C', 'D']) await session.update(entity, key, patch(value))
      expect((await fixture().requests()) - before).to.equal(3)
    })

    it('applies itself again to a record that others changed meanwhile', async () => {
      const { target, entity, scopes, key, reference } = await created()
      await fixture().changeBehind(key, 'X')
      const result = await target.session(scopes.nextTry()).update(entity, key, patch('B'))
      expect(result.outcome).to.equal('updated')
      expect(await fixture().values(reference)).to.deep.equal(['B'])
    })

    it('never writes an older version over a newer one', async () => {
      const { target, entity, scopes, key, reference } = await created()
      const session = target.session(scopes.nextTry())
      const at = (version: string, value: string) => session.update(entity, key, patch(value), { version })
      expect((await at('2026-01-02T00:00:00Z', 'B')).outcome).to.equal('updated')
      expect((await at('2026-01-01T00:00:00Z', 'A')).outcome).to.equal('stale')
      expect((await at('2026-01-02T00:00:00Z', 'B')).outcome).to.equal('unchanged')
      // Two changes within one tick of a coarse version.
      expect((await at('2026-01-02T00:00:00Z', 'other')).outcome).to.equal('updated')
      expect((await at('2026-01-03T00:00:00Z', 'C')).outcome).to.equal('updated')
      expect(await fixture().values(reference)).to.deep.equal(['C'])
    })

    it('keeps a newer version that came between its read and its write', async () => {
      const { target, entity, key, reference } = await created()
      const [slow, fast] = [target.session(dispatchScopes().nextTry()), target.session(dispatchScopes().nextTry())]
      const stale = await slow.read(entity, key)
      await fast.update(entity, key, patch('new'), { version: '2026-01-02T00:00:00Z' })
      const result = await slow.update(entity, key, patch('old'), {
        version: '2026-01-01T00:00:00Z',
        ...(stale?.etag && { etag: stale.etag }),
      })
      expect(result.outcome).to.equal('stale')
      expect(await fixture().values(reference)).to.deep.equal(['new'])
    })

    it('is repeated safely when its answer was lost', async () => {
      const { target, entity, scopes, key, reference } = await created()
      const update = () =>
        target.session(scopes.nextTry()).update(entity, key, patch('B'), { version: '2026-01-02T00:00:00Z' })
      await fixture().loseNextAnswer()
      expect(await faultOf(update())).to.include({ effect: 'unknown', retry: 'backoff' })
      expect((await update()).outcome).to.equal('unchanged')
      expect(await fixture().values(reference)).to.deep.equal(['B'])
    })

    it('ends for good where there is no such record', async () => {
      const { target, entity, key, scopes } = await created()
      const nowhere = Object.fromEntries(Object.keys(key).map((element) => [element, '9999999']))
      const fault = await faultOf(target.session(scopes.nextTry()).update(entity, nowhere, patch('B')))
      expect(fault).to.include({ code: 'target-record-missing', retry: 'never', effect: 'none' })
    })
  })

  describe('upsert', () => {
    it('creates by reference what is not there, and updates what is', async () => {
      const { target, entity, sample, reference, scopes } = open()
      const upsert = (value: string) => target.session(scopes.nextTry()).upsert(entity, { reference }, sample(value))
      expect((await upsert('A')).outcome).to.equal('created')
      expect((await upsert('B')).outcome).to.equal('updated')
      expect(await fixture().values(reference)).to.deep.equal(['B'])
    })

    it('updates by key, in one request where the state is known', async () => {
      const { target, entity, scopes, key, reference } = await created()
      const before = await fixture().requests()
      const result = await target.session(scopes.nextTry()).upsert(entity, { key }, patch('B'))
      expect(result.outcome).to.equal('updated')
      expect((await fixture().requests()) - before).to.equal(1)
      expect(await fixture().values(reference)).to.deep.equal(['B'])
    })

    it('keeps the version guard, from the creation on', async () => {
      const { target, entity, sample, reference, scopes } = open()
      const upsert = (value: string, version: string) =>
        target.session(scopes.nextTry()).upsert(entity, { reference }, sample(value), { version })
      expect((await upsert('new', '2026-01-02T00:00:00Z')).outcome).to.equal('created')
      expect((await upsert('old', '2026-01-01T00:00:00Z')).outcome).to.equal('stale')
      expect(await fixture().values(reference)).to.deep.equal(['new'])
    })

    it('makes one record when the answer to its creation was lost', async () => {
      const { target, entity, sample, reference, scopes } = open()
      const upsert = () => target.session(scopes.nextTry()).upsert(entity, { reference }, sample('A'))
      await fixture().holdNextCommit()
      expect((await faultOf(upsert())).effect).to.equal('unknown')
      expect((await faultOf(upsert())).code).to.equal('settling')
      await fixture().release()
      expect((await upsert()).outcome).to.equal('updated')
      expect(await fixture().values(reference)).to.have.length(1)
    })
  })
}
