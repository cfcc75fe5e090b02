/** The cookies of one session with the server, by name, each as the server set it (RFC 6265 §5.2). */
export interface CookieJar {
  absorb(setCookies: readonly string[]): void
  /** Value of the `Cookie` header; undefined where there is none. */
  header(): string | undefined
}

/**
 * Keeps every cookie: SAP has moved the one its CSRF check compares (SAP_SESSIONID_*, sap-XSRF_*) before, and others
 * carry the load balancer's stickiness. Paths and domains do not matter, because a jar serves one service root only.
 */
export function cookieJar(): CookieJar {
  const cookies = new Map<string, string>()
  return {
    absorb(setCookies) {
      for (const line of setCookies) {
        const [pair = '', ...attributes] = line.split(';')
        const name = pair.split('=', 1)[0]?.trim()
        if (!name || !pair.includes('=')) continue
        if (attributes.some(isExpiry)) cookies.delete(name)
        else cookies.set(name, pair.trim())
      }
    },
    header: () => (cookies.size > 0 ? [...cookies.values()].join('; ') : undefined),
  }
}

/** Servers delete a cookie by `Max-Age=0` or a date long past, 1970 as a rule; neither needs our clock. */
function isExpiry(attribute: string): boolean {
  const [name = '', value = ''] = attribute.split('=', 2).map((part) => part.trim())
  if (/^max-age$/i.test(name)) return /^(0|-\d+)$/.test(value)
  return /^expires$/i.test(name) && Date.parse(value) < LONG_PAST
}

const LONG_PAST = Date.UTC(2000, 0, 1)
