import { writeSync } from 'node:fs'
import { sqliteInbox } from '../../adapters/inbox/sqlite/index.ts'
import { sender } from './inbox.ts'

/**
 * A process that stores as fast as it can from 16 callers, until it is killed. Every id is printed as soon as it is
 * acknowledged, by a synchronous write: a line that the parent has read was acknowledged.
 */
const [url = ''] = process.argv.slice(2)
const inbox = sqliteInbox({ url })
await inbox.open()

await inbox.admin.register([{ name: 'orders', filter: { on: ['*'] } }])
const { one } = sender({ now: () => new Date() })
await Promise.all(
  Array.from({ length: 16 }, async (_, caller) => {
    for (let count = 0; ; count += 1) {
      const id = `${caller}-${count}`
      await inbox.intake.store([one({ id, data: id, lane: `${caller}` })])
      writeSync(1, `${id}\n`)
    }
  }),
)
