import type http from 'node:http'
import { answerJson, type HttpAnswer, simulatorServer } from '../http.ts'
import { routes } from '../routes.ts'
import type { HeldWrites } from './held-writes.ts'
import type { RequestLog } from './request-log.ts'
import type { SwitchBoard, SwitchSettings } from './switches.ts'
import type { Changed, Changes } from './types.ts'

export interface ControlParts {
  readonly switches: SwitchBoard
  readonly held: HeldWrites
  readonly log: RequestLog
  readonly rows: (entity: string) => Promise<readonly unknown[]>
  readonly sent: () => Promise<readonly unknown[]>
  readonly change: (changes: Changes) => Promise<readonly Changed[]>
  /** Carries out what a switch needs beyond its state. */
  readonly apply: (settings: SwitchSettings) => Promise<void>
}

/** The control API, on a port of its own so that it answers while the ERP does not. */
export const controlServer = (parts: ControlParts): http.Server => {
  const ok = async (value: unknown): Promise<HttpAnswer> => answerJson(200, await value)
  const state = () => ({ switches: parts.switches.state, held: parts.held.size })

  return simulatorServer(
    routes({
      'GET /sandbox/switches': () => ok(state()),
      'POST /sandbox/switches': async ({ body }) => {
        const settings = JSON.parse(body.toString()) as SwitchSettings
        parts.switches.set(settings)
        await parts.apply(settings)
        return ok(state())
      },
      'POST /sandbox/release': async () => ok({ released: await parts.held.release() }),
      'POST /sandbox/changes': async ({ body }) =>
        ok({ changes: await parts.change(JSON.parse(body.toString()) as Changes) }),
      'GET /sandbox/rows/{entity}': (_, { entity = '' }) => ok(parts.rows(entity)),
      'GET /sandbox/sent': () => ok(parts.sent()),
      'GET /sandbox/log': () => ok(parts.log.read()),
      'DELETE /sandbox/log': () => {
        parts.log.clear()
        return ok(parts.log.read())
      },
    }),
  )
}
