import { setTimeout as sleep } from 'node:timers/promises'
import { answerJson, type HttpAnswer, type HttpRequest } from '../http.ts'
import type { HeldWrites } from './held-writes.ts'
import type { RepeatableRequests } from './repeatability.ts'
import { type ODataPath, parseODataPath } from './sap-errors.ts'
import type { SapSessions } from './sap-session.ts'
import type { SwitchBoard } from './switches.ts'

export interface GateParts {
  readonly user: string
  readonly password: string
  readonly switches: SwitchBoard
  readonly sessions: SapSessions
  readonly held: HeldWrites
  readonly repeatable: RepeatableRequests
  /** A timestamp of the application server's clock, taken now. */
  readonly stamp: () => string
  /** Asks the OData services; `stampedAt` when the write got its timestamp earlier. */
  readonly serve: (request: HttpRequest, path: ODataPath, stampedAt?: string) => Promise<HttpAnswer>
}

/** `cut`: the connection ends without an answer. */
type GateResult = HttpAnswer | 'cut'

const isModifying = (method: string): boolean => !['GET', 'HEAD', 'OPTIONS'].includes(method)

/** Everything an SAP system checks and suffers before and around a request to its OData services. */
export const gate = (parts: GateParts) => {
  const { switches, sessions } = parts

  return async (request: HttpRequest): Promise<GateResult> => {
    if (switches.state.slow > 0) await sleep(switches.state.slow)
    const throttled = switches.takeWith('throttle')
    if (throttled) return busy(throttled.status, throttled.retryAfter)
    if (!isAuthorized(request, parts)) return switches.state.loginPage ? logonPage : unauthorized
    const path = parseODataPath(request.url)
    if (!path)
      return { status: 404, headers: { 'content-type': 'text/html' }, body: '<h1>Service cannot be reached</h1>' }
    return isModifying(request.method) ? change(request, path) : look(request, path)
  }

  async function look(request: HttpRequest, path: ODataPath): Promise<GateResult> {
    if (path.bareRoot) return redirectToSlash(request.url)
    const answer = await parts.serve(request, path)
    if (String(request.headers['x-csrf-token']).toLowerCase() !== 'fetch') return answer
    const { token, cookies } = sessions.fetch(request)
    const headers = { ...answer.headers, 'x-csrf-token': token }
    return { ...answer, headers: cookies.length > 0 ? { ...headers, 'set-cookie': cookies } : headers }
  }

  async function change(request: HttpRequest, path: ODataPath): Promise<GateResult> {
    if (!sessions.accepts(request)) return tokenRequired
    const late = switches.takeWith('cutThenCommit')
    if (late) {
      const stampedAt = parts.stamp()
      void parts.held.hold(
        () => parts.repeatable.once(request, () => parts.serve(request, path, stampedAt)),
        late.afterMs,
      )
      return 'cut'
    }
    const answer = await parts.repeatable.once(request, () => commit(request, path))
    return answer.status < 300 && switches.take('commitThenCut') ? 'cut' : answer
  }

  function commit(request: HttpRequest, path: ODataPath): Promise<HttpAnswer> {
    const late = switches.takeWith('lateCommit')
    if (!late) return parts.serve(request, path)
    const stampedAt = parts.stamp()
    return parts.held.hold(() => parts.serve(request, path, stampedAt), late.afterMs)
  }
}

const isAuthorized = (request: HttpRequest, { user, password }: GateParts): boolean =>
  request.headers.authorization === `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`

const unauthorized: HttpAnswer = {
  status: 401,
  headers: {
    'content-type': 'text/html;charset=utf-8',
    'www-authenticate': 'Basic realm="SAP NetWeaver Application Server [S4H/100]"',
  },
  body: '<html><head><title>Logon Error Message</title></head><body><h1>Logon failed</h1></body></html>',
}

const logonPage: HttpAnswer = {
  status: 200,
  headers: { 'content-type': 'text/html;charset=utf-8' },
  body: '<html><head><title>Logon</title></head><body><form name="loginForm" method="post"></form></body></html>',
}

/** SAP names the cure in the header: fetch a new token. A 403 without it is a missing authorization. */
const tokenRequired: HttpAnswer = {
  status: 403,
  headers: { 'content-type': 'text/plain;charset=utf-8', 'x-csrf-token': 'Required' },
  body: 'CSRF token validation failed',
}

const busy = (status: number, retryAfter: number): HttpAnswer => ({
  ...answerJson(status, { error: { message: status === 429 ? 'Too many requests' : 'Service unavailable' } }),
  headers: { 'content-type': 'application/json', 'retry-after': String(retryAfter) },
})

const redirectToSlash = (url: string): HttpAnswer => ({
  status: 307,
  headers: { location: url.replace(/(\?|$)/, '/$1') },
  body: '',
})
