import { SluiceError } from '#domain/errors'
import type { MeshAnswer } from './transport.ts'

/**
 * A page of HTML with status 200 (a log-in, a proxy's excuse) is no answer of the broker, and nothing happened.
 * @throws SluiceError `mesh-unavailable`
 */
export function refuseForeign({ headers, status }: MeshAnswer, what: string): void {
  if (!/^\s*text\/html/i.test(headers['content-type'] ?? '')) return
  throw odd(status, what)
}

/** @throws SluiceError `mesh-unavailable` where the answer is no JSON */
export function jsonOf(answer: MeshAnswer, what: string): unknown {
  try {
    return JSON.parse(answer.body.toString())
  } catch (thrown) {
    if (thrown instanceof SyntaxError) throw odd(answer.status, what)
    throw thrown
  }
}

export const odd = (status: number, what: string): SluiceError =>
  new SluiceError('mesh-unavailable', `What answered ${status} for ${what} is no Event Mesh.`, {
    effect: 'unknown',
    httpStatus: status,
  })
