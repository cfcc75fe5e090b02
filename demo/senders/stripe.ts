import Stripe from 'stripe'
import type { Signer } from './signed.ts'

/** Payments, each told twice by Stripe as two facts (the payment and its charge), signed by Stripe's own library. */
export function stripe(secret: string, payments: number): Signer[] {
  return Array.from({ length: payments }, (_unused, index) => index + 1).flatMap((n) => [
    signer(secret, `evt_demo_pi_${n}`, 'payment_intent.succeeded', {
      id: `pi_demo_${n}`,
      object: 'payment_intent',
      amount_received: 1000 + n,
      currency: 'eur',
    }),
    signer(secret, `evt_demo_ch_${n}`, 'charge.succeeded', {
      id: `ch_demo_${n}`,
      object: 'charge',
      amount: 1000 + n,
      currency: 'eur',
      payment_intent: `pi_demo_${n}`,
    }),
  ])
}

function signer(secret: string, id: string, type: string, object: Record<string, unknown>): Signer {
  const created = Math.floor(Date.now() / 1000)
  const payload = JSON.stringify(
    {
      id,
      object: 'event',
      api_version: '2026-10-28',
      created,
      type,
      livemode: false,
      pending_webhooks: 1,
      data: { object },
    },
    null,
    2,
  )
  return async () => ({
    source: 'stripe',
    id,
    body: payload,
    headers: {
      'content-type': 'application/json; charset=utf-8',
      'stripe-signature': await Stripe.webhooks.generateTestHeaderStringAsync({ payload, secret }),
    },
  })
}
