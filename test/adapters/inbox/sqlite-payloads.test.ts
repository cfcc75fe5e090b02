import { expect } from 'chai'
import { bytes, NOW } from '../../helpers/deliveries.ts'
import { accept, sender } from '../../helpers/inbox.ts'
import { type SqliteFile, sqliteFile } from '../../helpers/sqlite-file.ts'

const { one } = sender({ now: () => NOW })

describe('sqlite: a body', () => {
  let file: SqliteFile
  beforeEach(async () => {
    file = await sqliteFile()
  })
  afterEach(() => file.dispose())

  it('that is the data of its event is on disk once', async () => {
    const { inbox } = await file.open(() => NOW)
    const whole = one({ data: '{"a":1}', extra: { dataIsBody: true } }, { body: bytes('{"a":1}') })
    const part = one({ data: '{"a":1}' }, { body: bytes('payload={"a":1}') })
    await accept(inbox, whole, part)
    expect(file.rows<{ delivery: string }>('SELECT delivery FROM sluice_Payloads')).to.deep.equal([
      { delivery: part.key },
    ])
    for (const { key, body } of [whole, part]) expect(await inbox.work.payload(key)).to.deep.equal(body)
  })
})
