import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import cds from '@sap/cds'
import { expect } from 'chai'
import { cqlInbox } from '../../../adapters/inbox/cql/index.ts'
import type { CqlService } from '../../../adapters/inbox/cql/session.ts'
import { compileDdl, loadModel, STORE_VERSION } from '../../../adapters/inbox/ddl.ts'
import { openService } from '../../../adapters/inbox/postgres/service.ts'
import { compilingForHana } from '../../helpers/hana-compiler.ts'
import { accept, durableHarness, type InboxHarness, LEASE_MS, sender } from '../../helpers/inbox.ts'
import { type TestDatabase, testDatabase } from '../../helpers/postgres.ts'
import { inboxSuite } from '../../suites/inbox.suite.ts'

const ENTITIES = [
  'Deliveries',
  'Payloads',
  'Identities',
  'Events',
  'Dispatches',
  'Lanes',
  'Attempts',
  'Subscriptions',
  'Effects',
  'Checkpoints',
  'Leases',
  'SourceStates',
  'Rejections',
  'Audit',
  'Meta',
]

const linked = (csn: object): object => cds.linked(cds.compile.for.nodejs(csn as never) as never) as object

/** @param connect for each instance a service on the same, empty store */
async function harnessOn(connect: () => Promise<CqlService>): Promise<InboxHarness> {
  const reader = await connect()
  return durableHarness({
    open: async (now) => {
      const inbox = cqlInbox({ connect, now })
      await inbox.open()
      return inbox
    },
    select: async (entity) => (await reader.tx((tx) => tx.run(cds.ql.SELECT.from(`sluice.${entity}`)))) as [],
    dispose: async (instances) => {
      await reader.disconnect()
      await Promise.all(instances.map((one) => one.close()))
    },
  })
}

describe('inbox in CQL, on SQLite and compiled for HANA', () => {
  let directory: string
  let sqlite: CqlService
  let recorded: Awaited<ReturnType<typeof compilingForHana>>

  before(async () => {
    const { default: SQLiteService } = await import('@cap-js/sqlite')
    directory = await mkdtemp(join(tmpdir(), 'sluice-cql-'))
    const model = linked(await loadModel())
    const service = new SQLiteService('sluice-db', model, {
      kind: 'sqlite',
      credentials: { url: join(directory, 'sluice.db') },
      pool: { min: 1, max: 1, evictionRunIntervalMillis: 0 },
    })
    await service.init()
    sqlite = service as unknown as CqlService
    const ddl = await compileDdl('sqlite')
    await sqlite.tx(async (tx) => {
      for (const sql of ddl) await tx.run(sql)
    })
    recorded = await compilingForHana(sqlite, model)
  })
  after(async () => {
    await sqlite?.disconnect()
    await rm(directory, { recursive: true })
  })

  inboxSuite('cql', async () => {
    await sqlite.tx(async (tx) => {
      for (const entity of ENTITIES) await tx.run(cds.ql.DELETE.from(`sluice.${entity}`))
    })
    return harnessOn(async () => recorded.service)
  })

  it('takes a store that HDI has expanded for its own, and refuses one of a newer version', async () => {
    const { SELECT, UPSERT } = cds.ql
    const version = async () => {
      const rows = (await sqlite.tx((tx) => tx.run(SELECT.from('sluice.Meta').where({ name: 'schema' })))) as {
        value: string
      }[]
      return rows[0]?.value
    }
    const inbox = cqlInbox({ connect: async () => sqlite })
    const write = (value: string) =>
      sqlite.tx((tx) => tx.run(UPSERT.into('sluice.Meta').entries([{ name: 'schema', value }])))
    await write('0')
    await inbox.open()
    expect(await version()).to.equal(String(STORE_VERSION))
    await write('999')
    const refused = await cqlInbox({ connect: async () => sqlite })
      .open()
      .then(
        () => undefined,
        (thrown: unknown) => thrown,
      )
    expect(refused).to.include({ code: 'store-newer', retry: 'never' })
    expect(await version()).to.equal('999')
  })

  // Stands last: looks at what the contract above has sent.
  describe('on HANA', () => {
    it('locks on HANA what it locks on Postgres', () => {
      const statements = [...recorded.statements]
      const some = (pattern: RegExp) =>
        expect(
          statements.some((sql) => pattern.test(sql)),
          String(pattern),
        ).to.equal(true)
      some(/FROM sluice_Lanes .*availableAt <= \? ORDER BY availableAt ASC LIMIT \d+ FOR UPDATE IGNORE LOCKED$/)
      for (const [table, key] of Object.entries({ Lanes: 'ID', Leases: 'name', Events: 'event', Identities: 'hash' })) {
        some(new RegExp(`FROM sluice_${table} as "\\$\\w" WHERE "\\$\\w"\\.${key} = \\? FOR UPDATE$`))
      }
      some(/FROM sluice_SourceStates .*source = \? and .*name = \? FOR UPDATE$/)
      some(/FROM sluice_Meta .*name = \? FOR SHARE LOCK$/)
      some(/^UPDATE sluice_Lanes .* SET availableAt=\? WHERE .*ID = \? and .*owner = \?$/)
      for (const table of [
        'Deliveries',
        'Payloads',
        'Identities',
        'Events',
        'Lanes',
        'Dispatches',
        'Attempts',
        'Audit',
        'SourceStates',
      ]) {
        some(new RegExp(`^INSERT INTO sluice_${table} `))
      }
      for (const table of ['Effects', 'Checkpoints', 'SourceStates']) some(new RegExp(`^UPSERT sluice_${table} `))
    })

    it('has tables that HANA takes', async () => {
      const toTables = cds.compile.to.hdbtable as unknown as (csn: object) => Iterable<[string, { file: string }]>
      const tables = new Map([...toTables(await loadModel())].map(([text, { file }]) => [file, text]))
      for (const entity of ENTITIES) {
        expect(tables.get(`sluice.${entity}.hdbtable`), entity).to.match(/^COLUMN TABLE sluice_\w+ \(/)
      }
      expect(tables.get('sluice.Payloads.hdbtable')).to.contain('bytes BLOB')
      expect(tables.get('sluice.Lanes.hdbtable')).to.contain('PRIMARY KEY(ID)')
    })
  })
})

describe('inbox in CQL, on Postgres', () => {
  let database: TestDatabase
  let model: object

  before(async function () {
    database = await testDatabase(this)
    model = linked(await loadModel())
  })
  after(() => database?.drop())

  const emptied = async () => {
    await database.empty()
    return harnessOn(
      async () => (await openService({ credentials: database.credentials }, model)) as unknown as CqlService,
    )
  }
  inboxSuite('cql', emptied)

  // Nothing of ours sees beforehand that an event's own key is taken.
  it('quarantines only what the database itself refuses, in intake and in a page of a poll', async () => {
    const harness = await emptied()
    const { inbox } = harness
    const { one, event, delivery } = sender(harness)
    const [key = ''] = await accept(inbox, one({ id: 'first' }))
    const taken = (id: string) => delivery([{ kind: 'event', event: { ...event({ id }), key } }])
    const stored = await inbox.intake.store([one({ id: 'a' }), taken('b'), one({ id: 'c' })])
    expect(stored.map(({ outcome }) => outcome)).to.deep.equal(['accepted', 'quarantined', 'accepted'])
    const lease = await inbox.journal.lease('poll', 'me', LEASE_MS)
    if (!lease) throw new Error('no lease')
    const state = { watermark: '1', slotAt: null, completedAt: null }
    const deliveries = [one({ id: 'd' }), taken('e'), one({ id: 'f' })]
    const page = await inbox.journal.advance({ poll: 'poll', lease, expectedRevision: 0, state, deliveries })
    expect(page?.map(({ outcome }) => outcome)).to.deep.equal(['accepted', 'quarantined', 'accepted'])
    await harness.dispose()
  })
})
