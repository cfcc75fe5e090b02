import { setTimeout as pause } from 'node:timers/promises'
import { type ErpSandbox, erpSandbox } from 'cap-sluice/testing'
import { idsOf, signedIssue } from './deliveries.ts'
import { startGateway } from './gateway.ts'
import { fileIn, inFolder, type Measure, type Scale } from './run.ts'
import { quantile } from './statistics.ts'

const DELIVERIES = 400
const EVERY_MS = 50
const WITHIN_MS = 60_000
const SERVICE = '/sap/opu/odata/sap/API_SLUICE_DEMO_SRV'

/** From the sender's first byte to the ERP's answer, at a rate that queues nothing; and what it costs the ERP. */
export const webhookToErp = (_scale: Scale): Promise<Measure[]> =>
  inFolder(async (folder) => {
    const erp = await erpSandbox()
    const gateway = await startGateway(fileIn(folder), settingsFor(erp))
    try {
      const address = `http://127.0.0.1:${gateway.port}${gateway.path}`
      const created = await sendAll(address, 'opened')
      await answered(erp, DELIVERIES)
      const { counts, requests } = await erp.log()
      const references = (await erp.rows('IncomingDocuments'))
        .toSorted((a, b) => Number(a.ID) - Number(b.ID))
        .map((row) => String(row.ExternalReference))
      // Numbers are given in the order in which the requests are worked off, and so are the lines of the log.
      const latencies = requests
        .filter(({ method, status }) => method === 'POST' && status === 201)
        .map(({ at }, index) => Date.parse(at) - (created.get(references[index] ?? '') ?? Number.NaN))
      if (latencies.length !== DELIVERIES)
        throw new Error(`${latencies.length} of ${DELIVERIES} documents were created`)

      await erp.clearLog()
      await sendAll(address, 'edited')
      await answered(erp, DELIVERIES)
      const perWrite = (log: Readonly<Record<string, number>>) =>
        Object.values(log).reduce((sum, count) => sum + count, 0) / DELIVERIES
      return [
        { name: 'webhook to ERP row, p50', unit: 'ms', values: [quantile(latencies, 0.5)] },
        { name: 'webhook to ERP row, p99', unit: 'ms', values: [quantile(latencies, 0.99)] },
        { name: 'ERP round trips per first create', unit: 'requests', values: [perWrite(counts)], atMost: 1.05 },
        {
          name: 'ERP round trips per warm update',
          unit: 'requests',
          values: [perWrite((await erp.log()).counts)],
          atMost: 1.05,
        },
      ]
    } finally {
      await gateway.stop()
      await erp.stop()
    }
  })

const settingsFor = (erp: ErpSandbox) => ({
  targets: {
    erp: {
      kind: 'odata-v2',
      url: erp.url,
      path: SERVICE,
      auth: { kind: 'basic', user: erp.user, password: erp.password },
      entities: { IncomingDocuments: { key: ['ID'], reference: 'ExternalReference' } },
    },
  },
  subscriptions: { documents: { on: 'work.ticket.*', handler: 'bench/erp-handler' } },
})

/** @returns when each delivery was sent, by its id */
async function sendAll(address: string, action: string): Promise<ReadonlyMap<string, number>> {
  const nextId = idsOf(Date.now())
  const sentAt = new Map<string, number>()
  const answers: Promise<void>[] = []
  for (let number = 1; number <= DELIVERIES; number += 1) {
    const { headers, body } = signedIssue(number, action)
    const id = nextId()
    sentAt.set(id, Date.now())
    answers.push(send(address, { ...headers, 'x-github-delivery': id }, body))
    await pause(EVERY_MS)
  }
  await Promise.all(answers)
  return sentAt
}

async function send(address: string, headers: Readonly<Record<string, string>>, body: string): Promise<void> {
  const response = await fetch(address, { method: 'POST', headers, body })
  if (!response.ok) throw new Error(`a delivery was answered with ${response.status}`)
  await response.arrayBuffer()
}

/** Until so many writes were answered. */
async function answered(erp: ErpSandbox, writes: number): Promise<void> {
  const giveUpAt = Date.now() + WITHIN_MS
  for (;;) {
    const { counts } = await erp.log()
    const count = Object.entries(counts)
      .filter(([name]) => /^(POST|PATCH|MERGE) IncomingDocuments\S* 20/.test(name))
      .reduce((sum, [, times]) => sum + times, 0)
    if (count >= writes) return
    if (Date.now() > giveUpAt) throw new Error(`the ERP saw ${count} of ${writes} writes: ${JSON.stringify(counts)}`)
    await pause(100)
  }
}
