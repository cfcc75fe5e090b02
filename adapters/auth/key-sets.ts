import { createRemoteJWKSet, customFetch, type JWTVerifyGetKey } from 'jose'
import { SluiceError } from '#domain/errors'
import type { GuardedFetch } from '#domain/source'

/** Where an issuer's keys are: at a configured address, or where its metadata says. */
export type KeyPlace =
  | { readonly jwksUrl: string }
  /** `sameHost`: only an address on the issuer's own host counts. */
  | { readonly issuer: string; readonly sameHost: boolean }

/**
 * An unknown key id may be a key just published, or nonsense: `jose`'s 30 s would cost Event Mesh 15 minutes. Keys that
 * cannot be read are not asked for sooner either: otherwise each forged key id would cause a request meanwhile.
 */
const KEYS_COOLDOWN_MS = 1_000
/** An issuer's metadata says where its keys are, which changes about never. */
const METADATA_MS = 3_600_000

/** Signing keys by place; `jose` keeps them for ten minutes and reads them again for an unknown key id, once a second. */
export function keySets(fetch: GuardedFetch): (place: KeyPlace) => JWTVerifyGetKey {
  const sets = new Map<string, JWTVerifyGetKey>()
  const remote = (url: string): JWTVerifyGetKey =>
    createRemoteJWKSet(new URL(url), {
      [customFetch]: asJoseFetch(notAtOnce(fetch)),
      cooldownDuration: KEYS_COOLDOWN_MS,
    })
  return (place) => {
    const id = JSON.stringify(place)
    const known = sets.get(id)
    if (known) return known
    const set = 'jwksUrl' in place ? remote(place.jwksUrl) : discovered(place, fetch, remote)
    sets.set(id, set)
    return set
  }
}

/** OpenID Connect Discovery 1.0 §4. Concurrent tokens share one reading, and a failed one is not repeated at once. */
function discovered(
  { issuer, sameHost }: Extract<KeyPlace, { issuer: string }>,
  fetch: GuardedFetch,
  remote: (url: string) => JWTVerifyGetKey,
): JWTVerifyGetKey {
  let reading: Promise<JWTVerifyGetKey> | undefined
  let keys: { readonly url: string; readonly set: JWTVerifyGetKey } | undefined
  let until = 0

  async function read(): Promise<JWTVerifyGetKey> {
    until = Date.now() + KEYS_COOLDOWN_MS
    const url = await readKeysUrl(issuer, sameHost, fetch)
    until = Date.now() + METADATA_MS
    if (keys?.url !== url) keys = { url, set: remote(url) }
    return keys.set
  }

  return async (header, token) => {
    if (!reading || Date.now() >= until) reading = read()
    return (await reading)(header, token)
  }
}

async function readKeysUrl(issuer: string, sameHost: boolean, fetch: GuardedFetch): Promise<string> {
  const url = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`
  const metadata = await readMetadata(url, fetch)
  const { jwks_uri: keysUrl } = metadata
  if (metadata.issuer !== issuer) throw unreachable(url, 'It is the metadata of another issuer.')
  if (typeof keysUrl !== 'string' || !URL.canParse(keysUrl)) throw unreachable(url, 'It names no key set.')
  const [home, keys] = [new URL(issuer), new URL(keysUrl)]
  if (keys.origin !== home.origin && (sameHost || keys.protocol !== 'https:')) {
    throw unreachable(url, 'Its key set lies elsewhere.')
  }
  return keysUrl
}

async function readMetadata(url: string, fetch: GuardedFetch): Promise<Record<string, unknown>> {
  try {
    const { status, body } = await fetch(url, { headers: { accept: 'application/json' } })
    const metadata: unknown = status === 200 ? JSON.parse(Buffer.from(body).toString('utf8')) : undefined
    if (typeof metadata === 'object' && metadata !== null) return metadata as Record<string, unknown>
  } catch (thrown) {
    throw unreachable(url, 'It cannot be read.', thrown)
  }
  throw unreachable(url, 'It is no metadata.')
}

const unreachable = (url: string, why: string, cause?: unknown): SluiceError =>
  new SluiceError('keys-unreachable', `The issuer's metadata at ${url} is of no use. ${why}`, { cause })

/** `jose` asks again within the cool-down only after a failure, for every token; what it got then is still the answer. */
function notAtOnce(fetch: GuardedFetch): GuardedFetch {
  let last: ReturnType<GuardedFetch> | undefined
  let until = 0
  return (...request) => {
    if (last && Date.now() < until) return last
    until = Date.now() + KEYS_COOLDOWN_MS
    last = fetch(...request)
    return last
  }
}

/** The shape `jose` wants; whatever goes wrong on the way is one error, so that it is told apart from a bad token. */
const asJoseFetch =
  (fetch: GuardedFetch) =>
  async (url: string, init: { headers: Headers; signal: AbortSignal }): Promise<Response> => {
    try {
      const answer = await fetch(url, { headers: Object.fromEntries(init.headers), signal: init.signal })
      return new Response(Buffer.from(answer.body), { status: answer.status })
    } catch (thrown) {
      throw new SluiceError('keys-unreachable', `The key set at ${url} cannot be read.`, { cause: thrown })
    }
  }

const TIMEOUT_MS = 5_000
/** Key sets have some kB. */
const MAX_BYTES = 1_048_576

/** For addresses that are configuration: no list of hosts, but no redirects, not for ever, and not without end. */
export const plainFetch: GuardedFetch = async (url, init = {}) => {
  const answer = await globalThis.fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS), ...init, redirect: 'error' })
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of answer.body ?? []) {
    size += chunk.length
    // Leaving the loop hangs up.
    if (size > MAX_BYTES) throw new SluiceError('fetch-too-large', `${url} answers more than ${MAX_BYTES} bytes.`)
    chunks.push(chunk)
  }
  return { status: answer.status, headers: Object.fromEntries(answer.headers), body: Buffer.concat(chunks) }
}
