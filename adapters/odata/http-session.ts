import type { SluiceError } from '#domain/errors'
import { credentials } from './auth.ts'
import { classifyAnswer, classifyFailure, isCsrfRefusal, isLoginPage } from './classify.ts'
import type { CookieJar } from './cookies.ts'
import { csrfSessions } from './csrf.ts'
import { DEFAULTS, type ODataTargetOptions } from './options.ts'
import { refusalPause } from './refusal-pause.ts'
import { type Answer, createTransport, TransportFailure } from './transport.ts'

export interface Call {
  readonly method: string
  /** Relative to the service root, with its query. */
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string
  readonly signal?: AbortSignal
}

export interface HttpSession {
  /** An answer of any status that is neither 401 nor a sign-on page. @throws SluiceError */
  read(call: Call): Promise<Answer>
  /** The same with a CSRF token. `beforeSend` runs right before the write itself leaves, not before a token is fetched. */
  write(call: Call, beforeSend: () => void): Promise<Answer>
  /** The fault an answer stands for. */
  fault(answer: Answer, write: boolean): SluiceError
  close(): void
}

/** Everything all requests to one service root share: connections, credentials, cookies, the CSRF token. */
export function httpSession(options: ODataTargetOptions): HttpSession {
  const now = options.now ?? (() => new Date())
  const { timeoutMs = DEFAULTS.timeoutMs, maxResponseBytes = DEFAULTS.maxResponseBytes } = options
  const root = options.url.endsWith('/') ? options.url : `${options.url}/`
  const transport = createTransport({ timeoutMs, maxResponseBytes })
  const auth = credentials(options.auth, transport, now)
  const pause = refusalPause(now)
  const fixedHeaders = { 'accept-language': 'en', 'user-agent': 'cap-sluice', ...options.headers }

  const addressOf = (path: string): string =>
    options.sapClient ? `${root}${path}${path.includes('?') ? '&' : '?'}sap-client=${options.sapClient}` : root + path

  const fault = (answer: Answer, write: boolean): SluiceError =>
    classifyAnswer(answer, { write, now: now(), random: Math.random() })

  /** One exchange with valid credentials: a refused OAuth token is replaced once, a refused password never repeated. */
  async function authorized(call: Call, cookies: CookieJar, token?: string, beforeSend?: () => void): Promise<Answer> {
    pause.check()
    for (let renewed = false; ; renewed = true) {
      const authorization = await auth.header()
      const cookie = cookies.header()
      if (call.signal?.aborted) throw classifyFailure(new TransportFailure('aborted', 'ABORT_ERR', false), false)
      beforeSend?.()
      const answer = await exchange(
        call,
        {
          ...fixedHeaders,
          ...call.headers,
          ...(authorization && { authorization }),
          ...(cookie && { cookie }),
          ...(token && { 'x-csrf-token': token }),
        },
        beforeSend !== undefined,
      )
      cookies.absorb(answer.setCookies)
      if (answer.status === 401 && !renewed && auth.renew(authorization)) continue
      if (answer.status === 401 || isLoginPage(answer)) {
        pause.refused()
        options.log?.warn('The target refused our credentials; it is left alone for five minutes.', { url: root })
        throw fault(answer, beforeSend !== undefined)
      }
      pause.accepted()
      return answer
    }
  }

  async function exchange(call: Call, headers: Record<string, string>, write: boolean): Promise<Answer> {
    try {
      return await transport.exchange({ ...call, url: addressOf(call.path), headers })
    } catch (thrown) {
      throw thrown instanceof TransportFailure ? classifyFailure(thrown, write) : thrown
    }
  }

  /** The root with its closing slash, because S/4 redirects without; the token may come with any status. */
  async function fetchToken(cookies: CookieJar): Promise<string | undefined> {
    for (const method of ['HEAD', 'GET']) {
      const headers = { accept: 'application/json', 'x-csrf-token': 'Fetch' }
      const answer = await authorized({ method, path: '', headers }, cookies)
      const token = answer.headers['x-csrf-token']
      if (token && !/^(required|fetch)$/i.test(token)) return token
      if (method === 'GET' && answer.status >= 400) throw fault(answer, false)
    }
    options.log?.warn('The service gives no CSRF token; writes go without one.', { url: root })
    return undefined
  }

  const csrf = csrfSessions(async (cookies) => (options.csrf === false ? undefined : fetchToken(cookies)))

  return {
    read: (call) => authorized(call, csrf.current().cookies),
    async write(call, beforeSend) {
      for (let refreshed = false; ; refreshed = true) {
        const session = await csrf.forWrite()
        const answer = await authorized(call, session.cookies, session.token, beforeSend)
        if (!isCsrfRefusal(answer)) return answer
        csrf.drop(session)
        if (refreshed || options.csrf === false) return answer
      }
    },
    fault,
    close: () => transport.close(),
  }
}
