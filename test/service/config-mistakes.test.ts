import cds from '@sap/cds'
import { expect } from 'chai'
import { memoryInbox } from '../../adapters/inbox/index.ts'
import { readConfig } from '../../srv/config.ts'
import { capParts, wire } from '../../srv/wiring.ts'
import { recordingLog } from '../helpers/recording-log.ts'

const auth = { kind: 'basic', users: { caller: 'a password' } }
const secrets = ['a secret of the tests only']

/** One of everything. */
const GOOD = {
  roles: ['intake', 'worker', 'poller'],
  publicUrl: 'https://gateway.example',
  sources: {
    github: { kind: 'github', secrets },
    stripe: { kind: 'stripe', secrets, toleranceMs: 300_000 },
    shopify: { kind: 'shopify', secrets },
    billing: { kind: 'standard-webhooks', secrets: [`whsec_${Buffer.alloc(32, 1).toString('base64')}`] },
    shop: { kind: 'hmac', secrets, header: 'x-signature', encoding: 'hex', id: 'x-id', type: 'x-type' },
    events: { kind: 'cloudevents', auth },
    s4: { kind: 'event-mesh', queue: 'ns/queue', auth },
    orders: { kind: 'http', path: 'orders', auth },
  },
  targets: {
    erp: {
      kind: 'odata-v2',
      url: 'https://erp.example/service',
      auth: { kind: 'basic', user: 'user', password: 'a password' },
      settleMs: 1_000,
      entities: { Orders: { key: ['ID'], reference: 'ExternalID' } },
    },
  },
  subscriptions: {
    book: {
      on: ['order.created'],
      handler: 'test/service/handlers',
      order: 'block',
      retry: { attempts: 3 },
      timeoutMs: 1_000,
    },
  },
  polls: {
    changes: {
      target: 'erp',
      entity: 'Orders',
      type: 'order.changed.v1',
      object: 'Order',
      key: ['ID'],
      version: 'ChangedAt',
      cron: '*/5 * * * *',
      backs: 's4',
      when: 'stale',
      staleAfterMs: 900_000,
      overlapMs: 1_000,
      pageSize: 10,
    },
  },
  limits: { maxBytes: 1_000_000 },
  worker: { leaseMs: 30_000 },
  retention: { payloadsMs: 86_400_000 },
  stopTimeoutMs: 5_000,
}

type Path = readonly string[]

function pathsIn(value: unknown, path: Path = []): Path[] {
  if (typeof value !== 'object' || value === null) return [path]
  const below = Object.entries(value).flatMap(([name, each]) => pathsIn(each, [...path, name]))
  return path.length > 0 ? [path, ...below] : below
}

const at = (config: unknown, path: Path): unknown =>
  path.reduce((value, name) => (value as Record<string, unknown>)[name], config)

function spoilt(path: Path, value: unknown): unknown {
  // Without shared parts.
  const config = JSON.parse(JSON.stringify(GOOD))
  const parent = at(config, path.slice(0, -1)) as Record<string, unknown>
  parent[path.at(-1) ?? ''] = value
  return config
}

/** What nobody could mean there. */
const wrongFor = (value: unknown): readonly unknown[] =>
  typeof value === 'string' ? [{}, [], -1, true, ''] : typeof value === 'number' ? ['x', -1, {}] : [-1, 1.5, true]

describe('a mistake in any setting', () => {
  const { bindings, services, metrics } = capParts(cds)

  async function start(raw: unknown): Promise<string> {
    try {
      const config = readConfig(raw, {})
      const log = recordingLog()
      const root = process.cwd()
      await wire({ config, inbox: memoryInbox(), log, root, meter: metrics.meter, bindings, services })
      return 'it starts'
    } catch (thrown) {
      const { code, message } = thrown as { code?: string; message: string }
      return `${code}: ${message}`
    }
  }

  it('is refused with its path', async () => {
    expect(await start(GOOD)).to.equal('it starts')
    const accepted: string[] = []
    for (const path of pathsIn(GOOD)) {
      for (const wrong of wrongFor(at(GOOD, path))) {
        const said = await start(spoilt(path, wrong))
        const [section = '', name = ''] = path
        const isNamed =
          said.startsWith('configuration: ') && said.includes(path.length > 1 ? `${section}.${name}` : section)
        if (!isNamed) accepted.push(`${path.join('.')} = ${JSON.stringify(wrong)}: ${said}`)
      }
    }
    expect(accepted).to.deep.equal([])
  })
})
