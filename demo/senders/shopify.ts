import { randomUUID } from 'node:crypto'
import { sign } from '@octokit/webhooks-methods'
import type { Signer } from './signed.ts'

/** Orders with ids beyond 2^53. Shopify's library only verifies, so GitHub's makes the HMAC; Shopify writes it in base64. */
export function shopify(secret: string, orders: number): Signer[] {
  return Array.from({ length: orders }, (_unused, index) => {
    const eventId = randomUUID()
    const topic = 'orders/create'
    const body = `{"id":90071992547409${910 + index},"name":"#${1001 + index}","total_price":"${19 + index}.90","currency":"EUR","customer":null}`
    return async () => ({
      source: 'shopify',
      id: `${eventId}:${topic}`,
      body,
      headers: {
        'content-type': 'application/json',
        'x-shopify-topic': topic,
        'x-shopify-shop-domain': 'demo.myshopify.com',
        'x-shopify-event-id': eventId,
        'x-shopify-webhook-id': randomUUID(),
        'x-shopify-hmac-sha256': Buffer.from((await sign(secret, body)).replace('sha256=', ''), 'hex').toString(
          'base64',
        ),
      },
    })
  })
}
