import { DatabaseSync } from 'node:sqlite'
import { expect } from 'chai'
import type { SluiceError } from '#domain/errors'
import { NOW } from '../../helpers/deliveries.ts'
import { accept, attempt, claim, claimOne, drain, idsOf, sender, settle } from '../../helpers/inbox.ts'
import { type OpenFile, type SqliteFile, sqliteFile } from '../../helpers/sqlite-file.ts'

const ORDERS = { name: 'orders', filter: { on: ['*'] }, order: 'block' } as const
const DAY_MS = 86_400_000
/** Of one transaction that appends little. */
const FILED_AT_MOST = 32

describe('sqlite: filing what waits', () => {
  let file: SqliteFile
  let moment: number
  let count: number
  const now = () => new Date(moment)
  const { one } = sender({ now })
  beforeEach(async () => {
    file = await sqliteFile()
    moment = NOW.getTime()
    count = 0
  })
  afterEach(() => file.dispose())

  async function open(fileEvery: number): Promise<OpenFile> {
    const opened = await file.open(now, fileEvery)
    await opened.inbox.admin.register([ORDERS])
    return opened
  }

  /** Stores so many in one transaction, named by their numbers. */
  async function store({ inbox }: OpenFile, lanes: readonly string[]): Promise<void> {
    const deliveries = lanes.map((lane) => {
      count += 1
      return one({ lane, id: `${count}` })
    })
    await accept(inbox, ...deliveries)
  }

  const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, n) => `${from + n}`)
  const filed = () => file.rows<{ pos: number }>('SELECT pos FROM sluice_Waiting ORDER BY pos').map(({ pos }) => pos)
  const mark = (name: string) =>
    Number(file.rows<{ value: string }>(`SELECT value FROM sluice_Meta WHERE name = '${name}'`)[0]?.value ?? 0)
  const filedTo = () => mark('filed-to')
  const since = ({ ran }: OpenFile, from: number, text: RegExp) =>
    ran.slice(from).filter((sql) => text.test(sql)).length
  const FILE = /^INSERT.*sluice_Waiting/
  const READ_BACK = /ORDER BY rowid DESC/

  /** How many each transaction filed that stored one more, until all is filed. */
  async function fileAll(opened: OpenFile): Promise<number[]> {
    const sizes: number[] = []
    const before = filedTo()
    while (filedTo() === before) {
      const from = opened.ran.length
      await store(opened, ['more'])
      sizes.push(since(opened, from, FILE))
    }
    return sizes
  }

  it('is spread over transactions, however long a lane is', async () => {
    const opened = await open(200)
    await store(opened, Array(150).fill('long'))
    await store(opened, Array(49).fill('short'))
    expect(filed(), 'it is not time').to.deep.equal([])
    const sizes = await fileAll(opened)
    expect(Math.max(...sizes)).to.equal(FILED_AT_MOST)
    expect(sizes.reduce((sum, size) => sum + size)).to.equal(filedTo())
    expect(filed()).to.deep.equal(numbers(1, 200).map(Number))
    expect(await drain({ inbox: opened.inbox, now }, 'orders')).to.have.members(numbers(1, count))
    expect(filed(), 'what its lane left behind').to.deep.equal([])
  })

  it('needs no row of what nobody has tried, where nobody else writes', async () => {
    const opened = await open(100)
    await store(opened, ['1', '1', '2'])
    const from = opened.ran.length
    const lanes = await claim(opened.inbox, 'orders')
    expect(lanes.flatMap(idsOf)).to.have.members(numbers(1, 3))
    expect(since(opened, from, /^SELECT ID, ?pos/)).to.equal(0)
    await opened.inbox.work.settle(
      lanes.map(({ lane, owner, dispatches: [head] }) => ({
        lane,
        owner,
        settled: head ? [{ dispatch: head.id, to: 'waiting' as const, attempt: attempt(now()) }] : [],
        release: true,
      })),
    )
    const again = await claim(opened.inbox, 'orders')
    expect(again.map(({ dispatches }) => dispatches.map(({ attempts }) => attempts))).to.have.deep.members([
      [1, 0],
      [1],
    ])
    expect(since(opened, from, /^SELECT ID, ?pos/), 'the heads').to.equal(2)
  })

  it('looks at no more in one transaction where others have worked off what it remembers', async () => {
    const opened = await open(200)
    const other = await open(10_000)
    await store(opened, numbers(1, 199))
    await drain({ inbox: other.inbox, now }, 'orders')
    for (let left = 200; left > 0; left -= FILED_AT_MOST) {
      const from = opened.ran.length
      await store(opened, ['more'])
      expect(since(opened, from, /^SELECT 1 FROM sluice_Dispatches WHERE ID = \? AND pos/)).to.be.at.most(FILED_AT_MOST)
    }
    expect(filedTo()).to.be.at.least(200)
    expect(filed(), 'what is done').to.deep.equal([200])
  })

  it('keeps each lane in order, in one process and in another that starts in the middle of it', async () => {
    const opened = await open(100)
    await store(opened, Array(90).fill('long'))
    await store(opened, Array(20).fill('short'))
    expect(filed().length, 'in the middle').to.equal(40)
    const other = await open(100)
    for (const { inbox } of [opened, other]) {
      const lanes = await claim(inbox, 'orders', { dispatchesPerLane: 100 })
      expect(lanes.map(idsOf).sort((a, b) => b.length - a.length)).to.deep.equal([numbers(1, 90), numbers(91, 110)])
      await inbox.work.release(lanes)
    }
  })

  it('lets reading go on while the disk is full, and goes on itself once it is not', async () => {
    const opened = await open(100)
    const { inbox, database } = opened
    await store(opened, Array(110).fill('1'))
    const [lane] = await claim(inbox, 'orders')
    const { page_count: pages } = database.prepare('PRAGMA page_count').get() as { page_count: number }
    database.exec(`PRAGMA max_page_count = ${pages}`)
    const before = filed()
    const large = Array.from({ length: 20 }, () => one({ lane: '1', id: 'large' }, { body: new Uint8Array(50_000) }))
    const refused = await inbox.intake.store(large).catch((thrown: SluiceError) => thrown.code)
    expect(refused).to.equal('store-unavailable')
    expect(await claim(inbox, 'orders')).to.deep.equal([])
    expect(await inbox.work.nextDueAt(['orders'])).to.deep.equal(lane?.leaseUntil)
    expect((await inbox.work.backlog(['orders'], { lanes: 9, heads: 9 }))[0]).to.deep.include({ leased: 1 })
    expect(filed()).to.deep.equal(before)
    database.exec('PRAGMA max_page_count = 1000000')
    await fileAll(opened)
    if (lane) await inbox.work.release([lane])
    const worked = await drain({ inbox: opened.inbox, now }, 'orders')
    expect(worked.filter((id) => Number(id) <= 110)).to.deep.equal(numbers(1, 110))
  })

  it('reads nothing while it has nothing to write', async () => {
    const opened = await open(0)
    await store(opened, ['1'])
    const from = opened.ran.length
    await opened.inbox.work.nextDueAt(['orders'])
    expect(opened.ran.slice(from)).to.have.length(2)
  })

  it('reads back at a start what came since, and no more', async () => {
    const opened = await open(100)
    await store(opened, Array(101).fill('1'))
    await fileAll(opened)
    await store(opened, ['1', '2'])
    const { ran, inbox } = await open(100)
    expect(filedTo()).to.be.above(100)
    expect(ran.filter((sql) => READ_BACK.test(sql))).to.have.length(count - filedTo() + 1)
    expect(await drain({ inbox, now }, 'orders')).to.have.members(numbers(1, count))
  })

  it('never says of less that it is filed, with two connections that file at a time', async () => {
    const [slow, fast] = [await open(50), await open(10)]
    await store(slow, Array(49).fill('1'))
    await store(slow, ['more'])
    expect(filed(), 'in the middle').to.have.length(FILED_AT_MOST)
    await store(fast, Array(60).fill('2'))
    expect(filedTo()).to.equal(110)
    for (let turn = 0; turn < 3; turn += 1) {
      await store(slow, ['more'])
      expect(filedTo()).to.equal(110)
    }
    expect(filed()).to.deep.equal(numbers(1, 110).map(Number))
  })

  it('leaves alone what another connection has filed', async () => {
    const [idle, busy] = [await open(100), await open(100)]
    await store(busy, numbers(1, 99))
    await idle.inbox.work.nextDueAt(['orders'])
    await store(busy, Array(20).fill('busy'))
    await fileAll(busy)
    await store(busy, Array(80).fill('busy'))
    const [from, before] = [idle.ran.length, filedTo()]
    await store(idle, Array(150).fill('idle'))
    await fileAll(idle)
    expect(since(idle, from, FILE), 'nothing twice').to.equal(filedTo() - before)
    expect(await drain({ inbox: idle.inbox, now }, 'orders')).to.have.members(numbers(1, count))
  })

  it('goes on where it was after another process held the lock', async () => {
    const opened = await open(100)
    await store(opened, Array(101).fill('1'))
    const from = opened.ran.length
    const other = new DatabaseSync(file.url)
    other.exec('BEGIN IMMEDIATE')
    const { database } = opened
    const exec = database.exec.bind(database)
    const refused = new Promise<void>((resolve) => {
      database.exec = (sql) => {
        resolve()
        exec(sql)
      }
    })
    const storing = store(opened, ['1'])
    await refused
    other.exec('COMMIT')
    other.close()
    await storing
    expect(since(opened, from, READ_BACK), 'read back').to.equal(0)
  })

  it('gives no position twice, when retention has removed the last', async () => {
    const [first, second] = [await open(1_000), await open(1_000)]
    await store(first, ['1', '1', '2'])
    await store(second, ['1'])
    await drain({ inbox: first.inbox, now }, 'orders')
    await first.inbox.work.nextDueAt(['orders'])
    moment += 2 * DAY_MS
    const over = new Date(moment - DAY_MS)
    expect(await first.inbox.admin.retain({ payloadsBefore: over, eventsBefore: over, limit: 100 })).to.include({
      events: 4,
    })
    await second.inbox.close()
    const started = await open(1_000)
    await store(started, ['1', '2'])
    expect((await claim(first.inbox, 'orders')).map(idsOf).sort()).to.deep.equal([['5'], ['6']])
  })

  it('finds its last position where the file was vacuumed', async () => {
    const [first, second] = [await open(2), await open(2)]
    await store(first, ['1', '1', '1', '1'])
    const lane = await claimOne(first.inbox, 'orders', { dispatchesPerLane: 1 })
    const parked = lane.dispatches[0]?.id ?? ''
    await settle(first.inbox, lane, [{ dispatch: parked, to: 'dead', block: false }])
    await first.inbox.admin.retry(parked, 'ann')
    second.database.exec('VACUUM')
    await store(second, ['1'])
    await first.inbox.close()
    const started = await open(2)
    expect(await drain({ inbox: started.inbox, now }, 'orders')).to.deep.equal(['2', '3', '4', '1', '5'])
  })

  describe('remembers only what waits', () => {
    const inOrder = async ({ inbox }: OpenFile) => {
      const worked = await drain({ inbox, now }, 'orders')
      expect(await inbox.work.nextDueAt(['orders']), 'nothing is left').to.equal(undefined)
      return worked
    }

    it('where another connection has worked or discarded it', async () => {
      const [first, second] = [await open(1_000), await open(1_000)]
      await store(first, ['1', '1', '1'])
      const lane = await claimOne(second.inbox, 'orders')
      await second.inbox.work.release([lane])
      await second.inbox.admin.discard(lane.dispatches[1]?.id ?? '', 'ann')
      expect((await claim(first.inbox, 'orders')).map(idsOf)).to.deep.equal([['1', '3']])
      moment += DAY_MS
      await drain({ inbox: second.inbox, now }, 'orders')
      await store(first, ['1'])
      expect(await inOrder(first)).to.deep.equal(['4'])
    })

    it('where a parked dispatch was tried again while its lane was leased', async () => {
      for (const fileEvery of [0, 1_000]) {
        const [first, second] = [await open(fileEvery), await open(fileEvery)]
        await store(first, ['1', '1', '1'])
        const lane = await claimOne(second.inbox, 'orders')
        const [a, b] = lane.dispatches.map(({ id }) => id)
        const parked = { dispatch: b ?? '', to: 'dead', block: false } as const
        await settle(second.inbox, lane, [{ dispatch: a ?? '', to: 'done' }, parked], false)
        await second.inbox.admin.retry(b ?? '', 'ann')
        moment += DAY_MS
        const again = await claimOne(first.inbox, 'orders')
        expect(idsOf(again)).to.deep.equal([`${count}`, `${count - 1}`])
        expect(again.dispatches.map(({ attempts }) => attempts)).to.deep.equal([1, 0])
        await first.inbox.work.release([again])
        await inOrder(first)
      }
    })

    it('where its subscription was removed', async () => {
      for (const fileEvery of [0, 1_000]) {
        const opened = await open(fileEvery)
        await store(opened, ['1', '1'])
        await opened.inbox.admin.unregister('orders', 'ann')
        expect(filed()).to.deep.equal([])
        await opened.inbox.admin.register([ORDERS])
        await store(opened, ['1'])
        expect(await inOrder(opened)).to.deep.equal([`${count}`])
        await opened.inbox.close()
      }
    })

    it('and a dead head again, once it is tried again, whether it was filed or not', async () => {
      for (const [fileEvery, left] of [
        [1_000, []],
        [0, [2, 3]],
      ] as const) {
        const opened = await open(fileEvery)
        const { inbox } = opened
        await store(opened, ['1', '1', '1'])
        const lane = await claimOne(inbox, 'orders')
        const [a, b] = lane.dispatches.map(({ id }) => id)
        const dead = { dispatch: b ?? '', to: 'dead', block: true } as const
        await settle(inbox, lane, [{ dispatch: a ?? '', to: 'done' }, dead])
        expect(filed()).to.deep.equal(left.map((pos) => count - 3 + pos))
        await inbox.admin.retry(b ?? '', 'ann')
        expect(await inOrder(opened)).to.deep.equal([`${count - 1}`, `${count}`])
        await inbox.close()
      }
    })

    it('and all of it, where another connection has filed a part', async () => {
      const [first, second] = [await open(50), await open(1_000)]
      await store(first, Array(49).fill('1'))
      await store(first, ['2'])
      await store(second, ['3', '3'])
      await store(first, ['4'])
      expect(filedTo()).to.equal(50)
      expect((await inOrder(second)).length).to.equal(count)
    })

    it('and files again what a failed commit had filed', async () => {
      const opened = await open(50)
      const { inbox, database } = opened
      await store(opened, Array(49).fill('1'))
      const exec = database.exec.bind(database)
      database.exec = (sql) => exec(sql === 'COMMIT' ? 'COMMIT nothing' : sql)
      expect(await inbox.intake.store([one({ lane: '2' })]).catch((thrown) => thrown.code)).to.equal(
        'store-unavailable',
      )
      database.exec = exec
      await fileAll(opened)
      await inbox.close()
      expect(await inOrder(await open(50))).to.have.members(numbers(1, count))
    })
  })
})
