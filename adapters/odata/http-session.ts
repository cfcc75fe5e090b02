import type { Address } from '#domain/address'
import type { SluiceError } from '#domain/errors'
import { fixedAddress, urlOf } from './address.ts'
import { classifyAnswer, classifyFailure, isCsrfRefusal, isLoginPage } from './classify.ts'
import type { CookieJar } from './cookies.ts'
import { type CsrfSession, type CsrfSessions, csrfSessions } from './csrf.ts'
import { DEFAULTS, type ODataTargetAt, type ODataTargetOptions } from './options.ts'
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

interface Sessions {
  root: string | undefined
  readonly csrf: CsrfSessions
}

/** The address changed since cookies were taken from the old one: nothing was sent, and the call starts over. */
class Moved extends Error {}

/** Everything all requests to one service root share: connections, credentials, cookies, the CSRF token. */
export function httpSession(options: ODataTargetOptions | ODataTargetAt): HttpSession {
  const now = options.now ?? (() => new Date())
  const { timeoutMs = DEFAULTS.timeoutMs, maxResponseBytes = DEFAULTS.maxResponseBytes } = options
  const transport = createTransport({ timeoutMs, maxResponseBytes })
  const addresses = 'address' in options ? options.address : fixedAddress(options, transport, now)
  const pause = refusalPause(now)
  const fixedHeaders = { 'accept-language': 'en', 'user-agent': 'cap-sluice', ...options.headers }

  const fault = (answer: Answer, write: boolean): SluiceError =>
    classifyAnswer(answer, { write, now: now(), random: Math.random() })

  /** Cookies and tokens belong to one root, and must not reach the next one's host. */
  function sessionsAt(root?: string): Sessions {
    const own: Sessions = { root, csrf: csrfSessions((cookies) => fetchToken(own, cookies)) }
    return own
  }
  let sessions = sessionsAt()

  async function addressFor(at: Sessions): Promise<Address> {
    const address = await addresses.address()
    sessions.root ??= address.url
    if (sessions.root !== address.url) sessions = sessionsAt(address.url)
    if (sessions !== at) throw new Moved()
    return address
  }

  /** One exchange with valid credentials: refused ones are replaced once, where there are others, and never repeated. */
  async function authorized(
    at: Sessions,
    call: Call,
    { cookies, token }: CsrfSession,
    beforeSend?: () => void,
  ): Promise<Answer> {
    pause.check()
    const write = beforeSend !== undefined
    let refused: Address | undefined
    for (;;) {
      const address = await addressFor(at)
      if (call.signal?.aborted) throw classifyFailure(new TransportFailure('aborted', 'ABORT_ERR', false), false)
      beforeSend?.()
      const answer = await exchange(address, call, headersOf(address, call, cookies.header(), token), write)
      cookies.absorb(answer.setCookies)
      if (isRefusal(answer) && !refused) {
        addresses.renew(address)
        refused = address
        if (!sameCredentials(await addresses.address(), address)) continue
      }
      if (isRefusal(answer) || isLoginPage(answer)) {
        pause.refused()
        options.log?.warn('The target refused our credentials; it is left alone for five minutes.', {
          url: address.url,
        })
        throw fault(answer, write)
      }
      pause.accepted()
      return answer
    }
  }

  const headersOf = (address: Address, call: Call, cookie?: string, token?: string): Record<string, string> => ({
    ...fixedHeaders,
    ...address.headers,
    ...call.headers,
    ...address.proxy?.headers,
    ...(address.authorization && { authorization: address.authorization }),
    ...(cookie && { cookie }),
    ...(token && { 'x-csrf-token': token }),
  })

  async function exchange(address: Address, call: Call, headers: Record<string, string>, write: boolean) {
    const url = urlOf(address.url, call.path, address.queries)
    try {
      return await transport.exchange({ ...call, url, headers, ...(address.proxy && { proxy: address.proxy.url }) })
    } catch (thrown) {
      throw thrown instanceof TransportFailure ? classifyFailure(thrown, write) : thrown
    }
  }

  /** The root with its closing slash, because S/4 redirects without; the token may come with any status. */
  async function fetchToken(at: Sessions, cookies: CookieJar): Promise<string | undefined> {
    if (options.csrf === false) return undefined
    for (const method of ['HEAD', 'GET']) {
      const headers = { accept: 'application/json', 'x-csrf-token': 'Fetch' }
      const answer = await authorized(at, { method, path: '', headers }, { cookies })
      const token = answer.headers['x-csrf-token']
      if (token && !/^(required|fetch)$/i.test(token)) return token
      if (method === 'GET' && answer.status >= 400) throw fault(answer, false)
    }
    options.log?.warn('The service gives no CSRF token; writes go without one.', { url: at.root })
    return undefined
  }

  async function write(call: Call, beforeSend: () => void): Promise<Answer> {
    for (let refreshed = false; ; refreshed = true) {
      const at = sessions
      const session = await at.csrf.forWrite()
      const answer = await authorized(at, call, session, beforeSend)
      if (!isCsrfRefusal(answer)) return answer
      at.csrf.drop(session)
      if (refreshed || options.csrf === false) return answer
    }
  }

  return {
    read: (call) => onceMoved(() => authorized(sessions, call, { cookies: sessions.csrf.current().cookies })),
    write: (call, beforeSend) => onceMoved(() => write(call, beforeSend)),
    fault,
    close: () => transport.close(),
  }
}

async function onceMoved(run: () => Promise<Answer>): Promise<Answer> {
  try {
    return await run()
  } catch (thrown) {
    if (thrown instanceof Moved) return run()
    throw thrown
  }
}

/** By the system, or by the proxy in front of it. */
const isRefusal = ({ status }: Answer): boolean => status === 401 || status === 407

/** Another try with the same would only count towards locking the user. */
const sameCredentials = (one: Address, other: Address): boolean =>
  one.authorization === other.authorization &&
  one.url === other.url &&
  JSON.stringify([one.headers, one.proxy]) === JSON.stringify([other.headers, other.proxy])
