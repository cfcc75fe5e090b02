import { execFile } from 'node:child_process'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import cds from '@sap/cds'
import { expect } from 'chai'
import type { SluiceError } from '#domain/errors'
import { compileDdl } from '../../../adapters/inbox/ddl.ts'
import { deployFile } from '../../../adapters/inbox/sqlite/deploy.ts'
import { sqliteInbox } from '../../../adapters/inbox/sqlite/index.ts'
import { accept, sender } from '../../helpers/inbox.ts'

/** What a host preloads may be made for its main thread only. */
const NOT_FOR_THREADS = `data:text/javascript,import { isMainThread } from 'node:worker_threads'; if (!isMainThread) throw 1`
const CHILD = fileURLToPath(new URL('../../helpers/plain-process.ts', import.meta.url))
const { one } = sender({ now: () => new Date() })

describe('sqlite: deployment', () => {
  let folder: string
  let url: string
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sluice-deploy-'))
    url = join(folder, 'sluice.db')
  })
  afterEach(() => rm(folder, { recursive: true }))

  const query = (file: string, sql: string): Record<string, unknown>[] => {
    const database = new DatabaseSync(file, { readOnly: true })
    try {
      return database.prepare(sql).all()
    } finally {
      database.close()
    }
  }

  const codeOf = (promise: Promise<unknown>): Promise<string> =>
    promise.then(
      () => 'none',
      (thrown: SluiceError) => thrown.code,
    )

  it('creates the file with large pages and a write-ahead log, and leaves it as it is the next time', async () => {
    const inbox = sqliteInbox({ url })
    await inbox.open()
    await accept(inbox, one({ id: 'a' }))
    await inbox.close()
    const schema = query(url, 'SELECT sql FROM sqlite_master ORDER BY name')
    expect(query(url, 'PRAGMA page_size')[0]).to.deep.include({ page_size: 8192 })
    const keyed = query(url, `SELECT name FROM sqlite_master WHERE sql LIKE '%WITHOUT ROWID' ORDER BY name`)
    expect(
      keyed.map(({ name }) => name),
      'tables that are their key',
    ).to.deep.equal(['sluice_Attempts', 'sluice_Effects', 'sluice_Identities', 'sluice_Waiting'])
    expect(query(url, 'PRAGMA journal_mode')[0]).to.deep.include({ journal_mode: 'wal' })
    await Promise.all(Array.from({ length: 3 }, () => deploy(1)))
    expect(query(url, 'SELECT sql FROM sqlite_master ORDER BY name')).to.deep.equal(schema)
    expect(query(url, 'SELECT count(*) AS count FROM sluice_Events')[0]).to.deep.include({ count: 1 })
    expect((await readdir(folder)).filter((name) => name.endsWith('.backup'))).to.deep.equal([])
  })

  for (const [what, table, column] of [
    ['a delivery’s events', 'sluice_Events', 'delivery'],
    ['an event’s delivery', 'sluice_Deliveries', 'ID'],
    ['an event’s dispatches', 'sluice_Dispatches', 'event'],
    ['a dispatch’s attempts', 'sluice_Attempts', 'dispatch'],
  ] as const) {
    it(`finds ${what} without reading a table from end to end`, async () => {
      await deploy(1)
      const [plan] = query(url, `EXPLAIN QUERY PLAN SELECT * FROM ${table} WHERE ${column} = 'one'`)
      expect(plan?.detail).to.match(new RegExp(`^SEARCH ${table} USING (INDEX|PRIMARY KEY)`))
    })
  }

  it('refuses a store that a newer Sluice has written, and names the remedy', async () => {
    await deploy(2)
    const inbox = sqliteInbox({ url })
    const thrown = await inbox.open().catch((error: SluiceError) => error)
    expect(thrown).to.be.an('error').with.property('code', 'store-newer')
    expect(thrown).to.have.property('message').that.includes('has version 2')
    expect(thrown).to.have.property('remedy').that.is.a('string')
  })

  it('expands an older store after a backup, in one transaction', async () => {
    await deploy(1)
    const expansions = { 2: ['ALTER TABLE sluice_Deliveries ADD COLUMN country NVARCHAR(2)'] }
    await deploy(2, expansions)
    expect(query(url, 'SELECT value FROM sluice_Meta')).to.deep.equal([row({ value: '2' })])
    expect(query(url, 'SELECT country FROM sluice_Deliveries')).to.deep.equal([])
    const [backup = ''] = (await readdir(folder)).filter((name) => name.endsWith('.backup'))
    expect(query(join(folder, backup), 'SELECT value FROM sluice_Meta')).to.deep.equal([row({ value: '1' })])
    const broken = { 3: ['ALTER TABLE sluice_Events ADD COLUMN country NVARCHAR(2)', 'nonsense'] }
    expect(await codeOf(deploy(3, broken))).to.equal('store-unavailable')
    expect(query(url, 'SELECT value FROM sluice_Meta')).to.deep.equal([row({ value: '2' })])
    expect(() => query(url, 'SELECT country FROM sluice_Events')).to.throw('no such column')
  })

  it('adds the tables and views of a model, and replaces views that changed', async () => {
    const inbox = sqliteInbox({ url })
    await inbox.open()
    const model = (columns: string) =>
      cds.compile(`entity Notes { key ID: UUID; text: String; } entity Texts as select from Notes { ${columns} };`)
    await inbox.deploy(model('ID'))
    await inbox.deploy(model('ID, text'))
    await inbox.deploy(model('ID, text'))
    await inbox.close()
    expect(query(url, 'SELECT ID, text FROM Texts')).to.deep.equal([])
  })

  it('works in any Node process, where a CAP project says or where it is told, and lets it end', async function () {
    this.timeout(60_000)
    const run = async (...args: string[]) => {
      const options = ['--conditions=sluice-source', `--import=${NOT_FOR_THREADS}`]
      const { stdout } = await promisify(execFile)(process.execPath, [...options, CHILD, ...args], {
        cwd: folder,
      })
      return JSON.parse(stdout)
    }
    expect(await run('plain.db')).to.deep.equal({ outcome: 'accepted', root: folder })
    const requires = { 'sluice-db': { kind: 'sqlite', credentials: { url: 'app.db' } } }
    await writeFile(join(folder, 'package.json'), JSON.stringify({ name: 'app', cds: { requires } }))
    expect(await run()).to.deep.equal({ outcome: 'accepted', root: folder })
    expect(await readdir(folder)).to.include.members(['plain.db', 'app.db'])
  })

  async function deploy(version: number, expansions = {}): Promise<void> {
    await deployFile(url, { ddl: await compileDdl('sqlite'), version, expansions })
  }
})

/** Rows of `node:sqlite` have no prototype. */
const row = (values: object): object => Object.assign(Object.create(null), values)
