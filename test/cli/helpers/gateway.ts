import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from '../../../demo/free-port.ts'
import { type GatewayProcess, gatewayProcess } from '../../../demo/gateway-process.ts'
import { MOCKED_AUTH } from '../../helpers/mocked-auth.ts'
import { type Ended, here, type RunOptions } from './cli.ts'

export const SECRET = 'a secret of the tests only'
export const WHSEC = `whsec_${Buffer.from('thirty-two bytes for the tests!!').toString('base64')}`
const PASSWORD = 'pass of the tests'

/** A source of every kind, named as its kind. */
const callers = { auth: { kind: 'basic', users: { caller: PASSWORD } } }
export const SOURCES = {
  github: { kind: 'github', secrets: [SECRET] },
  stripe: { kind: 'stripe', secrets: [SECRET] },
  shopify: { kind: 'shopify', secrets: [SECRET] },
  'standard-webhooks': { kind: 'standard-webhooks', secrets: [WHSEC] },
  hmac: {
    kind: 'hmac',
    secrets: [SECRET],
    header: 'X-Signature',
    prefix: 'v1=',
    template: '{timestamp}.{body}',
    timestamp: { from: 'X-Time' },
    id: '/order/id',
    type: 'X-Type',
  },
  cloudevents: { kind: 'cloudevents', ...callers },
  'event-mesh': { kind: 'event-mesh', queue: 'q', ...callers },
  'event-hub': { kind: 'event-hub', ...callers },
  'event-broker': { kind: 'event-broker', webhookPath: '/-/cds/other/webhook', ...callers },
  'advanced-event-mesh': { kind: 'advanced-event-mesh', queue: 'q', ...callers },
  http: { kind: 'http', path: 'orders', ...callers },
} as const

export const CALLER = `caller:${PASSWORD}`

export interface TestGateway extends GatewayProcess {
  readonly config: unknown
  /** Runs the command line against it, as an operator unless `env` says otherwise. */
  run(args: readonly string[], options?: Pick<RunOptions, 'env' | 'cwd'>): Promise<Ended>
  cleanUp(): Promise<void>
}

/** A gateway of this checkout with every kind of source, a handler that does what the data says and one that takes all, and the users viewer, operator and nobody. */
export async function testGateway(sources: object = SOURCES): Promise<TestGateway> {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-cli-'))
  const config = {
    requires: {
      db: false,
      'sluice-db': { kind: 'sqlite', credentials: { url: join(folder, 'sluice.db') } },
      auth: MOCKED_AUTH,
      sluice: {
        sources,
        subscriptions: {
          all: { on: '*', handler: 'test/service/handlers', order: 'none', retry: { attempts: 1 } },
          calm: { on: 'stripe.charge.failed', handler: 'test/cli/handlers' },
        },
      },
    },
  }
  const gateway = await gatewayProcess(config, {}, await freePort(), () => undefined)
  return {
    ...gateway,
    config,
    run: (args, options = {}) =>
      here(args, { ...options, env: { SLUICE_URL: gateway.url, SLUICE_USER: 'operator', ...options.env } }),
    async cleanUp() {
      await gateway.kill()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
