import { expect } from 'chai'
import { http } from '../../../adapters/sources/http.ts'
import { xmlToJson } from '../../../adapters/sources/index.ts'
import { deliver, draftOf } from '../../helpers/deliveries.ts'

const IDOC = `<IDOC BEGIN="1"><EDI_DC40><DOCNUM>0000000000012345</DOCNUM></EDI_DC40>${'<E1EDP01 SEGMENT="1"><POSEX>000010</POSEX><MENGE>10.000</MENGE></E1EDP01>'.repeat(20)}</IDOC>`
const MEGABYTE = Math.ceil(1_000_000 / IDOC.length)
const long = `<ORDERS05>${IDOC.repeat(MEGABYTE)}</ORDERS05>`
const verified = { ok: true, authlevel: 'none' } as const
const headers = { 'content-type': 'application/xml' }

/** How often the process's loop came round meanwhile: what runs within one turn lets nobody else in. */
async function turnsDuring<T>(run: () => T): Promise<{ value: Awaited<T>; turns: number }> {
  let turns = 0
  let isOver = false
  const turn = () => {
    turns += 1
    if (!isOver) setImmediate(turn)
  }
  setImmediate(turn)
  const value = await run()
  isOver = true
  return { value, turns }
}

describe('long XML', () => {
  it('is split by another thread, and the process goes on', async () => {
    const source = http({
      path: 'orders',
      auth: { kind: 'none' },
      split: { xml: 'ORDERS05/IDOC' },
      id: '/IDOC/EDI_DC40/DOCNUM',
    })
    const { value: items, turns } = await turnsDuring(() =>
      source.normalize(deliver({ body: long, headers }), verified),
    )
    expect(items).to.have.length(MEGABYTE)
    expect(items[0]).to.have.nested.property('draft.data', IDOC)
    expect(turns).to.be.above(10)
  })

  it('becomes JSON in another thread', async () => {
    const event = draftOf(http({ path: 'orders', auth: { kind: 'none' } }), { body: long, headers }) as never
    const { value, turns } = await turnsDuring(() => xmlToJson({ arrays: ['ORDERS05/IDOC'] })(event))
    const { ORDERS05 } = JSON.parse(value.data ?? '') as { ORDERS05: { IDOC: readonly object[] } }
    expect(ORDERS05.IDOC).to.have.length(MEGABYTE)
    expect(turns).to.be.above(10)
  })

  it('is read one after another, a bad one among good ones', async () => {
    const source = http({ path: 'orders', auth: { kind: 'none' }, split: { xml: 'ORDERS05/IDOC' } })
    const read = (body: string) => source.normalize(deliver({ body, headers }), verified)
    const [one, bad, deep, two] = await Promise.all([
      read(long),
      read(`${long}<a/>`),
      read(`<r>${'<a>'.repeat(100_000)}</r>`),
      read(long),
    ])
    expect([one?.length, two?.length]).to.deep.equal([MEGABYTE, MEGABYTE])
    expect(bad?.[0]).to.include({ ok: false, reason: 'not-xml' })
    expect(deep?.[0]).to.include({ ok: false, reason: 'xml-forbidden' })
  })
})
