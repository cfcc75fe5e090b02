import { randomBytes } from 'node:crypto'
import { createGateway, type Gateway } from 'cap-sluice'
import { cdsInbox } from 'cap-sluice/inbox'
import { expect } from 'chai'
import { until } from '../crash/helpers/until.ts'
import { hmacSource, signed } from '../helpers/hmac-source.ts'
import { type TestDatabase, testDatabase } from '../helpers/postgres.ts'

describe('an instance beside a deployer, on Postgres', () => {
  const role = `sluice_test_${randomBytes(6).toString('hex')}`
  const password = randomBytes(12).toString('hex')
  let database: TestDatabase
  let gateway: Gateway | undefined
  before(async function () {
    database = await testDatabase(this)
    await database.sql(`CREATE ROLE ${role} LOGIN PASSWORD '${password}'`)
    await database.sql(`GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO ${role}`)
    await database.sql('REVOKE CREATE ON SCHEMA public FROM PUBLIC')
  })
  after(async () => {
    await gateway?.stop()
    await database?.sql(`DROP OWNED BY ${role}`)
    await database?.sql(`DROP ROLE ${role}`)
    await database?.drop()
  })

  // Fails where a start alters anything although there is nothing to expand.
  it('starts and works without the right to change tables', async () => {
    const credentials = { ...database.credentials, user: role, password }
    const handled: string[] = []
    gateway = createGateway({
      inbox: cdsInbox({ kind: 'postgres', credentials }),
      sources: { shop: hmacSource() },
      subscriptions: [{ name: 'book', on: ['*'], handler: ({ id }) => void handled.push(id) }],
    })
    await gateway.start()
    const answer = await gateway.receive({
      method: 'POST',
      url: '/webhooks/shop',
      headers: signed('{}', { 'x-id': 'one' }),
      body: Buffer.from('{}'),
    })
    expect(answer.status).to.equal(200)
    await until('it is handled', () => handled.length === 1)
    const { store, backlog } = await gateway.observe()
    expect([store.ok, backlog.map(({ subscription }) => subscription)]).to.deep.equal([true, ['book']])
  })
})
