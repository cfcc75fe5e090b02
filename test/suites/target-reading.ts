import { expect } from 'chai'
import { dispatchScopes } from '../helpers/dispatch-scopes.ts'
import { faultOf } from '../helpers/faults.ts'
import { everything, type TargetFixture, targetTools } from './target-fixture.ts'

/** Single records and the change feed: one text for one state, every row once. */
export function describeReading(fixture: () => TargetFixture): void {
  const { created } = targetTools(fixture)

  describe('reading', () => {
    it('says undefined where there is no record, and refuses what is not configured', async () => {
      const { target, entity, key } = await created()
      const nowhere = Object.fromEntries(Object.keys(key).map((element) => [element, '9999999']))
      expect(await target.fetch(entity, nowhere, new AbortController().signal)).to.equal(undefined)
      const session = target.session(dispatchScopes().nextTry())
      expect((await faultOf(session.read('Elsewhere', key))).code).to.equal('configuration')
    })

    it('shows a polled row and a fetched record as the same text', async () => {
      const { target, entity, key } = await created()
      const signal = new AbortController().signal
      const record = await target.fetch(entity, key, signal)
      const rows = await everything(target, entity, 100)
      const row = rows.find((one) => one.key === Object.values(key).join('/'))
      expect(row?.data).to.equal(JSON.stringify(record?.data))
      expect(row?.version).to.equal(record?.version)
      expect(row?.data).to.not.match(/__|@odata|\/Date/)
    })

    for (const pageSize of [1, 2, 3, 1_000]) {
      it(`reads every record once in pages of ${pageSize}, in the order of their versions`, async () => {
        for (let n = 0; n < 4; n++) await created()
        const { target, entity } = fixture()
        const rows = await everything(target, entity, pageSize)
        const all = await everything(target, entity, 10_000)
        expect(rows.map(({ key }) => key)).to.deep.equal(all.map(({ key }) => key))
        expect(new Set(rows.map(({ key }) => key)).size).to.equal(rows.length)
        expect(rows.map(({ version }) => version)).to.deep.equal(rows.map(({ version }) => version).sort())
      })
    }

    it('reads from `since` on, inclusive', async () => {
      await created()
      const { target, entity } = fixture()
      const last = (await everything(target, entity, 1_000)).at(-1)
      const since = await everything(target, entity, 1_000, last?.version)
      expect(since.map(({ key }) => key)).to.include(last?.key)
      expect(await everything(target, entity, 1_000, '2100-01-01T00:00:00Z')).to.deep.equal([])
    })
  })
}
