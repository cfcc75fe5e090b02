import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Worker } from 'node:worker_threads'
import { expect } from 'chai'
import { SluiceError } from '#domain/errors'
import type { CdsInbox } from '../../../adapters/inbox/lazy.ts'
import { sqliteInbox } from '../../../adapters/inbox/sqlite/index.ts'
import { NOW } from '../../helpers/deliveries.ts'
import { accept, sender } from '../../helpers/inbox.ts'

const { one } = sender({ now: () => NOW })

describe('sqlite: the thread that writes', () => {
  let folder: string
  let inbox: CdsInbox
  let thread: Worker
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sluice-thread-'))
  })
  beforeEach(async () => {
    inbox = sqliteInbox({ url: join(folder, 'sluice.db') })
    const started = once(process, 'worker') as unknown as Promise<[Worker]>
    await inbox.open()
    ;[thread] = await started
  })
  afterEach(() => inbox.close())
  after(() => rm(folder, { recursive: true }))

  const codeOf = (promise: Promise<unknown>): Promise<string> =>
    promise.then(
      () => 'none',
      (thrown: SluiceError) => thrown.code,
    )

  it('refuses before it is open and after it is closed, and opens again', async () => {
    await inbox.close()
    expect(await codeOf(inbox.intake.store([one()]))).to.equal('store-unavailable')
    expect(await inbox.health()).to.deep.equal({ ok: false, reason: 'closed' })
    await Promise.all([inbox.open(), inbox.open()])
    await accept(inbox, one())
  })

  it('finishes what was asked for when it closes', async () => {
    const storing = inbox.intake.store([one({ id: 'a', data: 'a' })])
    await inbox.close()
    expect((await storing)[0]?.outcome).to.equal('accepted')
    await inbox.open()
    expect((await inbox.intake.store([one({ id: 'a', data: 'a' })]))[0]?.outcome).to.equal('duplicate')
  })

  it('that dies refuses what nobody knows to be stored, and another one takes over', async () => {
    const codes = Promise.all([
      codeOf(inbox.intake.store([one({ id: 'lost' })])),
      codeOf(inbox.journal.checkpoint('p')),
    ])
    await thread.terminate()
    for (const code of await codes) expect(code).to.be.oneOf(['store-unavailable', 'none'])
    expect(await codeOf(inbox.intake.store([one({ id: 'refused' })])), 'nobody is there').to.equal('store-unavailable')
    expect(await inbox.health()).to.deep.equal({ ok: false, reason: 'store-unavailable' })
    while (!(await inbox.health()).ok) await new Promise(setImmediate)
    expect((await inbox.intake.store([one({ id: 'refused' })]))[0]?.outcome).to.equal('accepted')
  })

  it('lets a value that cannot cross harm nobody else', async () => {
    const results = await Promise.all([
      codeOf(inbox.journal.setSourceState('shop', 'state', () => 'a function')),
      codeOf(inbox.intake.store([one({ id: 'beside' })])),
    ])
    expect(results).to.deep.equal(['store-rejected', 'none'])
  })

  it('tells errors as they were thrown, with code, rule, remedy and cause', async () => {
    const refused = await sqliteInbox({ url: folder })
      .open()
      .catch((thrown) => thrown)
    expect(refused).to.be.instanceOf(SluiceError)
    expect(refused).to.include({ code: 'store-unavailable', retry: 'backoff', effect: 'none' })
    expect(refused.message.endsWith(refused.remedy), refused.message).to.equal(true)
    expect(refused.message.split(refused.remedy)).to.have.length(2)
    expect(refused.cause).to.be.instanceOf(Error)
  })
})
