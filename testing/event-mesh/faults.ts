import type { HttpAnswer, HttpRequest } from '../http.ts'
import type { Fault } from './options.ts'

/** Faults that a test has switched on, each until it is used up. */
export class Faults {
  #faults: (Fault & { left: number })[] = []

  set(faults: readonly Fault[]): void {
    this.#faults = faults.map((fault) => ({ ...fault, left: fault.times ?? Number.POSITIVE_INFINITY }))
  }

  /** What to answer instead of what `handle` does; with `after`, it does it all the same. */
  async around(request: HttpRequest, handle: () => Promise<HttpAnswer>): Promise<HttpAnswer | 'cut'> {
    const fault = this.#next(request)
    if (!fault || fault.after) {
      const answer = await handle()
      if (!fault) return answer
    }
    if (fault.answer === 'cut') return 'cut'
    if (fault.answer === 'hang') return new Promise(() => undefined)
    const { answer: status, headers = { 'content-type': 'application/json' }, body = '{}' } = fault
    return { status, headers, body }
  }

  #next({ method, url }: HttpRequest): Fault | undefined {
    const call = `${method} ${url.split('?')[0]}`
    const fault = this.#faults.find(({ match, left }) => left > 0 && new RegExp(match).test(call))
    if (fault) fault.left -= 1
    return fault
  }
}
