import { randomUUID } from 'node:crypto'
import { Webhook } from 'standardwebhooks'
import type { Signer } from './signed.ts'

/** Messages signed by the Standard Webhooks reference library. */
export function standardWebhooks(secret: string, messages: number): Signer[] {
  const webhook = new Webhook(secret)
  return Array.from({ length: messages }, (_unused, index) => {
    const id = `msg_${randomUUID()}`
    const body = JSON.stringify({
      type: 'invoice.paid',
      timestamp: new Date().toISOString(),
      data: { id: `inv_${index}`, total: '12.50' },
    })
    return async () => {
      const at = new Date()
      return {
        source: 'billing',
        id,
        body,
        headers: {
          'content-type': 'application/json',
          'webhook-id': id,
          'webhook-timestamp': String(Math.floor(at.getTime() / 1000)),
          'webhook-signature': webhook.sign(id, at, body),
        },
      }
    }
  })
}
