import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { type Delivery, onlyHeader, type Reply, type SourceContext } from '#domain/source'
import { type Refusal, type RefusalReason, refuse } from '#domain/verification'

/**
 * CSRF tokens as SAP systems hand them out: fetched by GET or HEAD with `X-CSRF-Token: Fetch`, valid for the session of
 * the cookie that comes with them, for the caller who fetched them, for the source they were fetched from, for half an
 * hour. Nothing is stored but one key per source, so any instance accepts what any other has given.
 */
export interface CsrfGuard {
  /** Hands out a token; the session of a cookie that the caller already has goes on. */
  grant(delivery: Delivery, context: SourceContext, caller: string): Promise<Reply>
  check(delivery: Delivery, context: SourceContext, caller: string): Promise<Refusal | undefined>
}

const HEADER = 'x-csrf-token'
const COOKIE = 'sluice-session'
/** As SAP's own `http/security_session_timeout`. */
const LIFETIME_MS = 1_800_000
/** How long an instance may issue tokens with a key that another one has replaced at the same first moment. */
const KEY_CACHE_MS = 60_000
const KEY = 'csrf-key'
const SESSION = /^[\w-]{22,64}$/
const TOKEN = /^([0-9a-z]{1,11})\.([\w-]{43})$/

export const isCsrfFetch = ({ method, headers }: Delivery): boolean =>
  (method === 'GET' || method === 'HEAD') && onlyHeader(headers, HEADER)?.toLowerCase() === 'fetch'

export const csrfGuard = (): CsrfGuard => ({
  async grant(delivery, context, caller) {
    const session = sessionOf(delivery) ?? randomBytes(24).toString('base64url')
    const issued = context.now.getTime().toString(36)
    const token = `${issued}.${seal(await currentKey(context), session, caller, issued).toString('base64url')}`
    return {
      status: 200,
      headers: {
        [HEADER]: token,
        'set-cookie': `${COOKIE}=${session}; Path=/; HttpOnly; SameSite=Strict${isHttps(delivery) ? '; Secure' : ''}`,
        'cache-control': 'no-store',
      },
    }
  },

  async check(delivery, context, caller) {
    const given = onlyHeader(delivery.headers, HEADER)
    if (!given) return required(given === null ? 'csrf-token-invalid' : 'csrf-token-missing')
    const [, issued = '', mac = ''] = TOKEN.exec(given) ?? []
    const session = sessionOf(delivery)
    const ageMs = context.now.getTime() - Number.parseInt(issued, 36)
    // Instances' clocks differ by seconds.
    if (!session || !(ageMs > -60_000 && ageMs <= LIFETIME_MS)) return required('csrf-token-invalid')
    const isSealedBy = (key: string) => same(seal(key, session, caller, issued), mac)
    if (isSealedBy(await currentKey(context))) return undefined
    return isSealedBy(await storedKey(context)) ? undefined : required('csrf-token-invalid')
  },
})

/** What makes any SAP client drop its token, fetch another and repeat the call. */
const required = (reason: RefusalReason): Refusal => ({ ...refuse(reason, 403), headers: { [HEADER]: 'Required' } })

const seal = (key: string, session: string, caller: string, issued: string): Buffer =>
  createHmac('sha256', Buffer.from(key, 'base64url'))
    .update(JSON.stringify([session, caller, issued]))
    .digest()

function same(expected: Buffer, given: string): boolean {
  const bytes = Buffer.from(given, 'base64url')
  return bytes.length === expected.length && timingSafeEqual(bytes, expected)
}

async function currentKey(context: SourceContext): Promise<string> {
  const cached = context.cache.get(KEY)
  return typeof cached === 'string' ? cached : storedKey(context)
}

/** Two instances may make a first key at once; both then read the one that stayed, or find it out within a minute. */
async function storedKey({ state, cache }: SourceContext): Promise<string> {
  let key = await state.get(KEY)
  if (typeof key !== 'string') {
    await state.set(KEY, randomBytes(32).toString('base64url'))
    key = await state.get(KEY)
  }
  cache.set(KEY, key, KEY_CACHE_MS)
  return String(key)
}

/** The session's cookie among all cookies of the request; none where two differ. */
function sessionOf({ headers }: Delivery): string | undefined {
  const found = (headers.cookie ?? [])
    .flatMap((line) => line.split(';'))
    .map((pair) => pair.trim())
    .filter((pair) => pair.startsWith(`${COOKIE}=`))
    .map((pair) => pair.slice(COOKIE.length + 1).replace(/^"(.*)"$/, '$1'))
  const [session] = found
  return session !== undefined && SESSION.test(session) && found.every((one) => one === session) ? session : undefined
}

/** By the address that callers know; a router that ends TLS says so itself. */
const isHttps = ({ url, headers }: Delivery): boolean =>
  url.startsWith('https:') || onlyHeader(headers, 'x-forwarded-proto')?.split(',')[0]?.trim() === 'https'
