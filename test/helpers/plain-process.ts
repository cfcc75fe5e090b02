import cds from '@sap/cds'
import { cdsInbox } from '../../adapters/inbox/index.ts'
import { sender } from './inbox.ts'

/**
 * A Node process without a CAP server: opens the inbox that its arguments and its folder's configuration say. It does not
 * close it, and ends all the same: the store's thread keeps no process alive that waits for nothing.
 */
const [url] = process.argv.slice(2)
const inbox = cdsInbox(url === undefined ? {} : { url })
await inbox.open()
const { one } = sender({ now: () => new Date() })
const [outcome] = await inbox.intake.store([one({ id: 'a' })])
process.stdout.write(JSON.stringify({ outcome: outcome?.outcome, root: cds.root }))
