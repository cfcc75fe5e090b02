import { randomUUID } from 'node:crypto'
import examples from '@octokit/webhooks-examples/api.github.com/index.json' with { type: 'json' }
import { sign } from '@octokit/webhooks-methods'
import type { Signer } from './signed.ts'

/** GitHub's published payload examples, signed by GitHub's own library. */
export function github(secret: string, count: number): Signer[] {
  const payloads = examples
    .filter(({ name }) => name !== 'ping')
    .flatMap(({ name, examples: bodies }) => bodies.map((body: unknown) => ({ name, body: JSON.stringify(body) })))
  const step = Math.max(1, Math.floor(payloads.length / count))
  return payloads
    .filter((_payload, index) => index % step === 0)
    .slice(0, count)
    .map(({ name, body }) => {
      const id = randomUUID()
      return async () => ({
        source: 'github',
        id,
        body,
        headers: {
          'content-type': 'application/json',
          'x-github-event': name,
          'x-github-delivery': id,
          'x-hub-signature-256': await sign(secret, body),
        },
      })
    })
}
