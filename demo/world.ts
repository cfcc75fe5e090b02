import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ErpSandbox, type EventMeshBroker, erpSandbox, eventMeshBroker } from 'cap-sluice/testing'
import { gatewayConfig, type Secrets } from './config.ts'
import { freePort } from './free-port.ts'
import { type GatewayProcess, gatewayProcess } from './gateway-process.ts'

export interface World {
  readonly headquarters: ErpSandbox
  readonly subsidiary: ErpSandbox
  readonly broker: EventMeshBroker
  readonly gateway: GatewayProcess
  readonly secrets: Secrets
  close(): Promise<void>
}

const QUEUE = 'demo/headquarters'

/** Everything the demo needs, in processes of their own on 127.0.0.1, with secrets made for this run. */
export async function openWorld(options: { port?: number; verbose: boolean }): Promise<World> {
  const port = await freePort(options.port)
  const folder = mkdtempSync(join(tmpdir(), 'sluice-demo-'))
  const clear = () => rmSync(folder, { recursive: true, force: true })
  // The processes end with this one.
  process.once('exit', clear)
  const secret = () => randomBytes(24).toString('hex')
  const secrets: Secrets = {
    github: secret(),
    stripe: `whsec_${secret()}`,
    shopify: secret(),
    billing: `whsec_${randomBytes(24).toString('base64')}`,
  }
  const passwords = { headquarters: secret(), subsidiary: secret() }

  const broker = await eventMeshBroker({ duplicateEvery: 5 })
  const { url, tokenUrl, client } = broker
  const raises = {
    topicPrefix: 'sap/S4HANAOD/hq01',
    source: '/default/sap.s4.beh/HQ01CLNT100',
    broker: { url, tokenUrl, clientId: client.clientId, clientSecret: client.clientSecret },
  }
  const [headquarters, subsidiary] = await Promise.all([
    erpSandbox({ database: join(folder, 'headquarters.db'), password: passwords.headquarters, raises }),
    erpSandbox({ database: join(folder, 'subsidiary.db'), password: passwords.subsidiary }),
  ])
  const gateway = await gatewayProcess(
    gatewayConfig(headquarters, subsidiary, broker.jwksUrl, join(folder, 'gateway.db')),
    {
      DEMO_GITHUB_SECRET: secrets.github,
      DEMO_STRIPE_SECRET: secrets.stripe,
      DEMO_SHOPIFY_SECRET: secrets.shopify,
      DEMO_BILLING_SECRET: secrets.billing,
      DEMO_HQ_PASSWORD: passwords.headquarters,
      DEMO_SUBSIDIARY_PASSWORD: passwords.subsidiary,
    },
    port,
    options.verbose ? (text) => process.stdout.write(text) : () => undefined,
  )
  await broker.queue(QUEUE, ['sap/S4HANAOD/hq01/ce/*'])
  await broker.subscribe(QUEUE, `${gateway.url}/webhooks/mesh`)

  return {
    headquarters,
    subsidiary,
    broker,
    gateway,
    secrets,
    async close() {
      await gateway.stop()
      await Promise.all([headquarters.stop(), subsidiary.stop(), broker.stop()])
      clear()
    },
  }
}
