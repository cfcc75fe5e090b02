import { randomBytes } from 'node:crypto'
import type { HttpRequest } from '../http.ts'

const idleMs = 30 * 60_000

interface Session {
  readonly token: string
  readonly cookies: ReadonlyMap<string, string>
  usedAt: number
}

/** What a request's token and cookies amount to. `cookies` are to be set. */
interface Fetched {
  readonly token: string
  readonly cookies: readonly string[]
}

/**
 * Security sessions of an ABAP system: the CSRF token is good only together with every cookie set when it was fetched,
 * the load balancer's included, and dies with the session (`http/security_session_timeout`, 30 minutes unused).
 */
export class SapSessions {
  readonly #sessions = new Map<string, Session>()

  fetch(request: HttpRequest): Fetched {
    const known = this.#find(request)
    if (known) return { token: known.token, cookies: [] }
    const id = `${randomBytes(18).toString('base64')}%3d%3d`
    const session: Session = {
      token: randomBytes(16).toString('base64'),
      cookies: new Map([
        [sessionCookie, id],
        ['sap-usercontext', 'sap-client=100'],
        ['BIGipServerS4H', `!${randomBytes(12).toString('base64')}`],
      ]),
      usedAt: Date.now(),
    }
    this.#sessions.set(id, session)
    return {
      token: session.token,
      cookies: [...session.cookies].map(([name, value]) => `${name}=${value}; path=/; HttpOnly`),
    }
  }

  /** Whether a modifying request may pass. */
  accepts(request: HttpRequest): boolean {
    const session = this.#find(request)
    return session !== undefined && request.headers['x-csrf-token'] === session.token
  }

  expireAll(): void {
    this.#sessions.clear()
  }

  #find(request: HttpRequest): Session | undefined {
    const sent = parseCookies(request.headers.cookie)
    const id = sent.get(sessionCookie) ?? ''
    const session = this.#sessions.get(id)
    if (!session) return undefined
    if (Date.now() - session.usedAt > idleMs) {
      this.#sessions.delete(id)
      return undefined
    }
    for (const [name, value] of session.cookies) if (sent.get(name) !== value) return undefined
    session.usedAt = Date.now()
    return session
  }
}

const sessionCookie = 'SAP_SESSIONID_S4H_100'

const parseCookies = (header = ''): Map<string, string> =>
  new Map(
    header
      .split(';')
      .map((pair) => pair.trim().split(/=(.*)/s))
      .map(([name = '', value = '']) => [name, value]),
  )
