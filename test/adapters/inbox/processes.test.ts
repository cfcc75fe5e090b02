import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { postgresInbox } from '../../../adapters/inbox/postgres/index.ts'
import type { ProcessPlan } from '../../helpers/inbox-process.ts'
import { type TestDatabase, testDatabase } from '../../helpers/postgres.ts'

const SCRIPT = fileURLToPath(new URL('../../helpers/inbox-process.ts', import.meta.url))
const EVENTS_PER_BATCH = 6
const LANES = 5

interface Worked {
  readonly worker: string
  readonly lane: string
  readonly sender: string
  readonly n: number
  readonly started: Date
  readonly ended: Date | null
  readonly held: boolean | null
}

describe('inbox on Postgres, three processes', function () {
  this.timeout(120_000)
  let database: TestDatabase
  const children: ChildProcess[] = []

  before(async function () {
    database = await testDatabase(this)
    await database.sql(
      'CREATE TABLE worked (id text, worker text, lane text, sender text, n int, started timestamp, ended timestamp, held boolean)',
    )
  })
  beforeEach(async () => {
    await database.empty()
    await database.sql('DELETE FROM worked')
    const inbox = postgresInbox({ credentials: database.credentials })
    await inbox.open()
    await inbox.admin.register([{ name: 'orders', filter: { on: ['*'] }, order: 'block' }])
    await inbox.close()
  })
  afterEach(async () => {
    for (const child of children.splice(0)) {
      if (child.exitCode !== null || child.signalCode !== null) continue
      child.kill('SIGKILL')
      await once(child, 'exit')
    }
  })
  after(() => database?.drop())

  function start(name: string, parts: Partial<ProcessPlan> = {}): ChildProcess {
    const plan: ProcessPlan = {
      name,
      credentials: database.credentials,
      leaseMs: 60_000,
      lanes: LANES,
      concurrency: 3,
      batches: 0,
      holds: false,
      ...parts,
    }
    const child = fork(SCRIPT, [JSON.stringify(plan)])
    children.push(child)
    return child
  }

  const worked = () => database.sql<Worked>('SELECT * FROM worked ORDER BY started')

  /** Waits for a condition, however long that takes; mocha's time-out is the only limit. */
  async function until(condition: (rows: readonly Worked[]) => boolean): Promise<void> {
    while (!condition(await worked())) await pause(20)
  }

  async function stop(...ended: readonly ChildProcess[]): Promise<void> {
    await Promise.all(
      ended.map(async (child) => {
        const exit = once(child, 'exit')
        child.send('stop')
        expect(await exit).to.deep.equal([0, null])
      }),
    )
  }

  const inEffect = (rows: readonly Worked[]) => rows.filter(({ held }) => held === true)

  /** From the test's own records: each event once, each sender's in its order, one at a time in each lane. */
  function expectInOrder(rows: readonly Worked[]): void {
    const lanes = Map.groupBy(inEffect(rows), ({ lane }) => lane)
    for (const [lane, runs] of lanes) {
      for (const [index, run] of runs.entries()) {
        const before = runs[index - 1]
        if (before) expect(run.started >= (before.ended ?? run.started), `two at once in ${lane}`).to.equal(true)
      }
      for (const [sender, sent] of Map.groupBy(runs, (run) => run.sender)) {
        const numbers = sent.map(({ n }) => n)
        expect(numbers, `${sender} in ${lane}`).to.deep.equal(numbers.map((_, index) => index + 1))
      }
    }
  }

  // Fails without FOR UPDATE SKIP LOCKED in the claim (events twice), with positions that do not come from the lane's row
  // (events left behind), and with lanes placed in another order than they are settled in (a deadlock).
  it('work every lane in order and one at a time while all of them store, without a deadlock', async () => {
    const batches = 40
    const processes = ['a', 'b', 'c'].map((name) => start(name, { batches }))
    await until((rows) => inEffect(rows).length >= processes.length * batches * EVENTS_PER_BATCH)
    await stop(...processes)
    const rows = await worked()
    expect(rows).to.have.length(processes.length * batches * EVENTS_PER_BATCH)
    expectInOrder(rows)
    expect(new Set(rows.map(({ worker }) => worker)).size, 'workers that had work').to.equal(3)
    const [statistics] = await database.sql<{ deadlocks: number }>(
      'SELECT deadlocks::integer FROM pg_stat_database WHERE datname = current_database()',
    )
    expect(statistics?.deadlocks).to.equal(0)
  })

  // Fails without `WHERE lane.owner = r.owner` in `settle`: the worker that slept settles what its heir is doing.
  it('finish what a stopped and a killed process held, and void what the stopped one brings back', async () => {
    const leaseMs = 1_500
    const slow = start('slow', { leaseMs, concurrency: 2, holds: true })
    const doomed = start('doomed', { leaseMs, concurrency: 2, holds: true, batches: 10 })
    await until((rows) => new Set(rows.map(({ worker }) => worker)).size === 2)
    slow.kill('SIGSTOP')
    doomed.kill('SIGKILL')
    await once(doomed, 'exit')
    const taken = await worked()
    const heir = start('heir', { leaseMs, concurrency: LANES, holds: true, batches: 20 })
    const sent = once(heir, 'message')
    // The heir has every lane that one of the two had, and is busy with the same event.
    await until((rows) => {
      const inherited = new Set(rows.filter(({ worker }) => worker === 'heir').map(eventOf))
      return taken.every((run) => inherited.has(eventOf(run)))
    })
    slow.kill('SIGCONT')
    slow.send('go')
    await until((rows) => rows.filter(({ worker }) => worker === 'slow').every(({ held }) => held !== null))
    await sent
    heir.send('go')
    const [stored] = await database.sql<{ count: number }>('SELECT count(*)::integer AS count FROM sluice_events')
    await until((rows) => {
      expect(
        rows.filter(({ worker, held }) => worker === 'heir' && held === false),
        'what an heir does counts',
      ).to.deep.equal([])
      return inEffect(rows).length === stored?.count
    })
    await stop(slow, heir)
    const rows = await worked()
    expectInOrder(rows)
    const inVain = rows.filter(({ held }) => held !== true)
    // One of the two may have stopped between its claim and its note of it: then there is one more.
    expect(inVain.map(eventOf)).to.include.members(taken.map(eventOf))
    expect(inVain.filter(({ worker }) => worker === 'slow').every(({ held }) => held === false)).to.equal(true)
  })
})

const eventOf = ({ sender, lane, n }: Worked): string => `${sender} ${lane} ${n}`
