import { createGateway } from 'cap-sluice'
import { cdsInbox } from 'cap-sluice/inbox'
import { github } from 'cap-sluice/sources'
import { idsOf, SECRET, signedIssue } from './deliveries.ts'
import type { Store } from './gateway.ts'
import noOp from './no-op-handler.ts'

/** Stores a backlog as fast as the inbox takes it: everything but HTTP, in full commits. */
export interface FillOptions {
  readonly store: Store
  readonly events: number
  readonly keys: number
}

export interface FillResult {
  readonly perSecond: number
}

const AT_ONCE = 256

async function run({ store, events, keys }: FillOptions): Promise<FillResult> {
  const inbox = cdsInbox(store.kind === 'sqlite' ? { url: store.file } : store)
  const gateway = createGateway({ inbox, sources: { github: github({ secrets: [SECRET] }) }, roles: ['intake'] })
  gateway.on('*', { name: 'bench' }, noOp)
  await gateway.start()
  const issues = Array.from({ length: keys }, (_, number) => {
    const { headers, body } = signedIssue(number + 1)
    return { headers, body: Buffer.from(body) }
  })
  const nextId = idsOf(Date.now())
  let sent = 0

  async function converse(): Promise<void> {
    while (sent < events) {
      const issue = issues[sent++ % keys]
      if (!issue) throw new Error('there are no keys')
      const headers = { ...issue.headers, 'x-github-delivery': nextId() }
      const { status } = await gateway.receive({ method: 'POST', url: '/webhooks/github', headers, body: issue.body })
      if (status !== 200) throw new Error(`a delivery was answered with ${status}`)
    }
  }

  const startedAt = performance.now()
  await Promise.all(Array.from({ length: AT_ONCE }, converse))
  const seconds = (performance.now() - startedAt) / 1000
  await gateway.stop()
  return { perSecond: events / seconds }
}

console.log(JSON.stringify(await run(JSON.parse(process.argv[2] ?? '{}') as FillOptions)))
