import type { HttpAnswer, HttpRequest } from '../http.ts'
import type { SwitchBoard } from './switches.ts'

/**
 * SAP Gateway's `RequestID` with `RepeatabilityCreation`: the answer tells by `RepeatabilityResult` whether a repeated
 * request would be recognized. Nearly every system says `unsupported`, and then a repeated create is a second object.
 */
export class RepeatableRequests {
  readonly #switches: SwitchBoard
  readonly #answers = new Map<string, Promise<HttpAnswer>>()

  constructor(switches: SwitchBoard) {
    this.#switches = switches
  }

  async once(request: HttpRequest, run: () => Promise<HttpAnswer>): Promise<HttpAnswer> {
    const id = request.headers.requestid
    if (typeof id !== 'string' || !request.headers.repeatabilitycreation) return run()
    if (!this.#switches.state.repeatability) return withResult(await run(), 'unsupported')
    const known = this.#answers.get(id)
    const answer = known ?? run()
    this.#answers.set(id, answer)
    return withResult(await answer, 'accepted')
  }
}

const withResult = (answer: HttpAnswer, result: string): HttpAnswer => ({
  ...answer,
  headers: { ...answer.headers, repeatabilityresult: result },
})
