import { setTimeout as pause } from 'node:timers/promises'
import { deliver } from './senders/deliver.ts'
import { github } from './senders/github.ts'
import { shopify } from './senders/shopify.ts'
import type { SignedDelivery, Signer } from './senders/signed.ts'
import { standardWebhooks } from './senders/standard-webhooks.ts'
import { stripe } from './senders/stripe.ts'
import type { World } from './world.ts'

export type Tell = (line: string) => void

const SENDERS_AT_ONCE = 8
const OUTAGE_MS = 2_000
/** Event Mesh repeats what was refused after 15 minutes; the simulator's clock is moved instead of waiting. */
export const REDELIVERY_MS = 16 * 60_000

/** What happens in the demo. @returns the webhook senders' log of acknowledged deliveries. */
export async function tellStory(world: World, tell: Tell): Promise<readonly SignedDelivery[]> {
  const { headquarters, subsidiary, gateway, broker } = world
  const acknowledged: SignedDelivery[] = []

  tell('Headquarters enters 10 sales orders and 6 business partners; each raises a business event.')
  await headquarters.change({ entity: 'A_SalesOrder', action: 'create', count: 10 })
  await headquarters.change({ entity: 'A_BusinessPartner', action: 'create', count: 6 })

  const signers = allSigners(world)
  tell(
    `GitHub, Stripe, Shopify and a Standard Webhooks sender deliver ${signers.length} facts, every fifth twice at once.`,
  )
  const third = Math.ceil(signers.length / 3)
  const send = (part: readonly Signer[]) => sendAll(gateway.url, part, acknowledged)
  await send(signers.slice(0, third))

  tell(`The subsidiary's ERP goes down for ${OUTAGE_MS / 1000} s while events keep coming.`)
  await subsidiary.switch({ down: true })
  const during = send(signers.slice(third, 2 * third))
  await headquarters.change({ entity: 'A_SalesOrder', action: 'change', count: 8 })
  await pause(OUTAGE_MS)
  await subsidiary.switch({ down: false })
  await during
  tell('The subsidiary is back.')

  tell('Headquarters changes 4 orders whose events get lost on purpose: only the poll can find them.')
  await headquarters.switch({ dropEvents: 4 })
  await headquarters.change({ entity: 'A_SalesOrder', action: 'change', count: 2 })
  await headquarters.change({ entity: 'A_SalesOrder', action: 'create', count: 2 })

  tell('The subsidiary commits the next two writes and cuts the line before it answers.')
  await subsidiary.switch({ commitThenCut: 2 })

  tell('kill -9 of the gateway in the middle of it all, and a restart; the senders simply try again.')
  const last = send(signers.slice(2 * third))
  const changes = headquarters.change({ entity: 'A_BusinessPartner', action: 'change', count: 6 })
  await pause(150)
  await gateway.kill()
  await changes
  await gateway.restart()
  await last
  await broker.advance(REDELIVERY_MS)
  return acknowledged
}

function allSigners({ secrets }: World): Signer[] {
  return shuffle([
    ...github(secrets.github, 40),
    ...stripe(secrets.stripe, 8),
    ...shopify(secrets.shopify, 12),
    ...standardWebhooks(secrets.billing, 12),
  ])
}

/** Every fifth goes out twice at the same moment. */
async function sendAll(url: string, signers: readonly Signer[], acknowledged: SignedDelivery[]): Promise<void> {
  const queue = signers.flatMap((signer, index) => (index % 5 === 0 ? [[signer, signer]] : [[signer]]))
  const sender = async () => {
    for (let next = queue.shift(); next; next = queue.shift()) {
      acknowledged.push(...(await Promise.all(next.map((signer) => deliver(url, signer)))))
    }
  }
  await Promise.all(Array.from({ length: SENDERS_AT_ONCE }, sender))
}

/** The senders are strangers to each other: their deliveries come interleaved, the same way in every run. */
const shuffle = <T>(items: readonly T[]): T[] =>
  items
    .map((item, index) => ({ item, at: (index * 7919) % 1009 }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item)
