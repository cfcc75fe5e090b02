import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { DatabaseSync } from 'node:sqlite'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { sqliteInbox } from '../../../adapters/inbox/sqlite/index.ts'
import { drain, sender } from '../../helpers/inbox.ts'

const helper = (name: string) => fileURLToPath(new URL(`../../helpers/${name}.ts`, import.meta.url))
const env = { ...process.env, NODE_OPTIONS: `${process.env.NODE_OPTIONS} --import=${helper('slow-commits')}` }

describe('sqlite: a killed process', () => {
  let folder: string
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sluice-crash-'))
  })
  after(() => rm(folder, { recursive: true }))

  // Proved by removing it: with each COMMIT put off until the next transaction, this fails. What it
  // cannot show is the fsync: a killed process loses no page that the operating system has.
  it('has every delivery that it acknowledged, each with its dispatch', async function () {
    this.timeout(120_000)
    const url = join(folder, 'sluice.db')
    const acknowledged = new Set<string>()
    for (const goal of [200, 400, 600]) {
      const child = spawn(process.execPath, [...process.execArgv, helper('storing-process'), url], {
        env,
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      const lines = createInterface({ input: child.stdout })
      for await (const line of lines) {
        acknowledged.add(`${goal}:${line}`)
        if (acknowledged.size >= goal && !child.killed) child.kill('SIGKILL')
      }
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
      expect(child.signalCode).to.equal('SIGKILL')
      await check(url, new Set([...acknowledged].map((line) => line.split(':')[1] ?? '')))
    }
  })

  async function check(url: string, ids: ReadonlySet<string>): Promise<void> {
    const database = new DatabaseSync(url)
    expect(database.prepare('PRAGMA integrity_check').get()).to.deep.include({ integrity_check: 'ok' })
    const orphans = `SELECT count(*) AS count FROM sluice_Events e
      WHERE NOT EXISTS (SELECT 1 FROM sluice_Dispatches d WHERE d.event = e.event)
      OR NOT EXISTS (SELECT 1 FROM sluice_Deliveries d WHERE d.ID = e.delivery)`
    expect(database.prepare(orphans).get(), 'half a delivery').to.deep.include({ count: 0 })
    database.close()
    const inbox = sqliteInbox({ url })
    await inbox.open()
    try {
      const { one } = sender({ now: () => new Date() })
      const again = await inbox.intake.store([...ids].map((id) => one({ id, data: id })))
      const lost = again.filter(({ outcome }) => outcome !== 'duplicate')
      expect(lost, 'acknowledged and gone').to.deep.equal([])
      await drain({ inbox, now: () => new Date() }, 'orders')
    } finally {
      await inbox.close()
    }
  }
})
