import { setTimeout as pause } from 'node:timers/promises'
import type { SignedDelivery, Signer } from './signed.ts'

const RETRY_MS = 300
/** Providers try for days; a demo gives up after a minute. */
const GIVE_UP_MS = 60_000

/** Sends until it is acknowledged, signing anew for each try. @returns what was acknowledged: the sender's own log. */
export async function deliver(baseUrl: string, signer: Signer): Promise<SignedDelivery> {
  const giveUpAt = Date.now() + GIVE_UP_MS
  for (;;) {
    const delivery = await signer()
    const status = await post(baseUrl, delivery)
    if (status >= 200 && status < 300) return delivery
    if (Date.now() > giveUpAt) throw new Error(`${delivery.source} gave up on ${delivery.id}: ${status || 'no answer'}`)
    await pause(RETRY_MS)
  }
}

/** 0: nobody answered. */
async function post(baseUrl: string, { source, headers, body }: SignedDelivery): Promise<number> {
  try {
    const answer = await fetch(`${baseUrl}/webhooks/${source}`, { method: 'POST', headers, body })
    await answer.arrayBuffer()
    return answer.status
  } catch (unreachable) {
    if (unreachable instanceof TypeError) return 0
    throw unreachable
  }
}
