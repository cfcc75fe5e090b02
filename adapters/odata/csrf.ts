import { type CookieJar, cookieJar } from './cookies.ts'

/** A security session of the server: its token is good only together with the cookies set beside it. */
export interface CsrfSession {
  /** Undefined where the service gives none. */
  readonly token?: string
  readonly cookies: CookieJar
}

export interface CsrfSessions {
  /** For reads: whatever there is. Answers go into the session their request was sent with, never into a newer one. */
  current(): CsrfSession
  /** For writes: with a token, fetched if need be. */
  forWrite(): Promise<CsrfSession>
  /** Gives up a session the server refused; a newer one stays. */
  drop(refused: CsrfSession): void
}

/**
 * One session per target, and one fetch in flight however many writers wait for it.
 * @param fetchToken asks the server with the new session's (empty) jar, and fills it
 */
export function csrfSessions(fetchToken: (cookies: CookieJar) => Promise<string | undefined>): CsrfSessions {
  let session: CsrfSession = { cookies: cookieJar() }
  let ready = false
  let pending: Promise<CsrfSession> | undefined

  async function open(): Promise<CsrfSession> {
    const cookies = cookieJar()
    const token = await fetchToken(cookies)
    session = token === undefined ? { cookies } : { token, cookies }
    ready = true
    return session
  }

  return {
    current: () => session,
    async forWrite() {
      if (ready) return session
      pending ??= open().finally(() => {
        pending = undefined
      })
      return pending
    },
    drop(refused) {
      if (refused !== session) return
      session = { cookies: cookieJar() }
      ready = false
    },
  }
}
