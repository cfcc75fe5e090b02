import { DatabaseSync } from 'node:sqlite'
import { expect } from 'chai'
import { compileDdl } from '../../adapters/inbox/ddl.ts'

/** Every status of a dispatch, and how an integration operator knows it. */
const WORDS = [
  { status: 'done', word: 'COMPLETED' },
  { status: 'waiting', word: 'PROCESSING' },
  { status: 'waiting', attempts: 2, word: 'RETRY' },
  { status: 'waiting', attempts: 2, forgiven: 2, word: 'PROCESSING' },
  { status: 'dead', reason: 'permanent', word: 'FAILED' },
  { status: 'dead', word: 'FAILED' },
  { status: 'dead', reason: 'lost', word: 'ABANDONED' },
  { status: 'dead', reason: 'subscription-removed', word: 'CANCELLED' },
  { status: 'unsure', reason: 'undecidable', word: 'ESCALATED' },
  { status: 'skipped', reason: 'discarded', word: 'CANCELLED' },
  { status: 'skipped', reason: 'superseded', word: 'DISCARDED' },
  { status: 'skipped', reason: 'absorbed', word: 'DISCARDED' },
  { status: 'skipped', reason: 'echo', word: 'DISCARDED' },
] as const

describe('the words of the message monitor', () => {
  let database: DatabaseSync
  before(async () => {
    const ddl = await compileDdl('sqlite')
    const tables = ['TABLE sluice_Dispatches', 'VIEW CockpitService_Dispatches']
    database = new DatabaseSync(':memory:')
    for (const name of tables) {
      const statement = ddl.find((one) => one.startsWith(`CREATE ${name} `))
      if (!statement) throw new Error(`${name} is not in the model`)
      database.exec(statement)
    }
  })
  after(() => database.close())

  for (const [index, { status, word, ...rest }] of WORDS.entries()) {
    const { attempts = 0, forgiven = 0, reason = null } = { attempts: 0, forgiven: 0, reason: null, ...rest }
    it(`${status}${reason ? `, ${reason}` : ''}${attempts ? `, ${attempts} tries, ${forgiven} forgiven` : ''}: ${word}`, () => {
      database
        .prepare(
          `INSERT INTO sluice_Dispatches(ID, event, subscription, run, lane, pos, status, reason, attempts, forgiven)
           VALUES(?, 'e', 's', 1, 'l', ?, ?, ?, ?, ?)`,
        )
        .run(String(index), index, status, reason, attempts, forgiven)
      const row = database.prepare('SELECT mplStatus FROM CockpitService_Dispatches WHERE ID = ?').get(String(index))
      expect(row?.mplStatus).to.equal(word)
    })
  }
})
