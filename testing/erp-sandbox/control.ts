import http from 'node:http'
import { answerJson, type HttpAnswer, type HttpRequest, readRequest, writeAnswer } from '../http.ts'
import type { Changed, Changes } from './business-user.ts'
import type { HeldWrites } from './held-writes.ts'
import type { RequestLog } from './request-log.ts'
import type { SwitchBoard, SwitchSettings } from './switches.ts'

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

type Route = (request: HttpRequest, name: string) => Promise<unknown>

/** The control API, on a port of its own so that it answers while the ERP does not. */
export const controlServer = (parts: ControlParts): http.Server => {
  const state = () => ({ switches: parts.switches.state, held: parts.held.size })
  const routes: Readonly<Record<string, Route>> = {
    'GET switches': async () => state(),
    'POST switches': async ({ body }) => {
      const settings = JSON.parse(body.toString()) as SwitchSettings
      parts.switches.set(settings)
      await parts.apply(settings)
      return state()
    },
    'POST release': async () => ({ released: await parts.held.release() }),
    'POST changes': async ({ body }) => ({ changes: await parts.change(JSON.parse(body.toString()) as Changes) }),
    'GET rows': (_, entity) => parts.rows(entity),
    'GET sent': () => parts.sent(),
    'GET log': async () => parts.log.read(),
    'DELETE log': async () => {
      parts.log.clear()
      return parts.log.read()
    },
  }

  const answer = async (request: HttpRequest): Promise<HttpAnswer> => {
    const [, resource = '', name = ''] = /^\/sandbox\/(\w+)\/?(\w*)/.exec(request.url) ?? []
    const route = routes[`${request.method} ${resource}`]
    if (!route) return answerJson(404, { error: `there are ${Object.keys(routes).join(', ')} under /sandbox/` })
    try {
      return answerJson(200, await route(request, name))
    } catch (error) {
      // Whatever a test asked for and cannot have is the test's to read.
      return answerJson(400, { error: error instanceof Error ? error.message : String(error) })
    }
  }

  return http.createServer(async (request, response) => writeAnswer(response, await answer(await readRequest(request))))
}
