import { lookup as dnsLookup } from 'node:dns'
import { type ClientRequestArgs, request as httpRequest, type IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { isIP, type LookupFunction } from 'node:net'
import { SluiceError } from '#domain/errors'
import type { GuardedFetch } from '#domain/source'
import { isSpecialAddress } from './special-addresses.ts'

export interface GuardedFetchOptions {
  /** Exact hosts, with a port unless it is 443, that may be called by https at a public address; none by default. */
  readonly hosts?: readonly string[]
  /**
   * Exact origins (`http://127.0.0.1:4004`, `https://idp.corp:8443`) that are trusted by configuration: plain http and
   * private addresses are allowed for them.
   */
  readonly trustedOrigins?: readonly string[]
  /** For the whole exchange; 5 s by default. */
  readonly timeoutMs?: number
  /** Of the answer's body; 1 MiB by default. */
  readonly maxBytes?: number
  /** Resolves names; `dns.lookup` by default. */
  readonly lookup?: LookupFunction
}

const DEFAULT_TIMEOUT_MS = 5_000
const DEFAULT_MAX_BYTES = 1024 * 1024

/**
 * Outgoing calls that a delivery may cause (key sets, certificates, confirmations). The address check sits in the name
 * look-up of the connection itself, so that a name cannot resolve to one address for the check and to another for the
 * call. Redirects are handed back, never followed. A connection is used once.
 * @throws SluiceError `fetch-refused` (never retried), `fetch-failed`, `fetch-timeout`, `fetch-too-large`
 */
export function guardedFetch(options: GuardedFetchOptions = {}): GuardedFetch {
  const { timeoutMs = DEFAULT_TIMEOUT_MS, maxBytes = DEFAULT_MAX_BYTES } = options
  const lookup = (options.lookup ?? dnsLookup) as LookupFunction
  const hosts = new Set((options.hosts ?? []).map((host) => host.toLowerCase()))
  const trusted = new Set((options.trustedOrigins ?? []).map((origin) => new URL(origin).origin))

  return async (address, init = {}) => {
    const url = parse(address)
    const isTrusted = trusted.has(url.origin)
    if (!isTrusted) refuseUnlisted(url, hosts)
    const timeout = AbortSignal.timeout(timeoutMs)
    const args: ClientRequestArgs = {
      method: init.method ?? 'GET',
      headers: { 'accept-encoding': 'identity', ...init.headers },
      signal: init.signal ? AbortSignal.any([init.signal, timeout]) : timeout,
      agent: false,
      lookup: isTrusted ? lookup : guardLookup(lookup, isSpecialAddress),
    }
    try {
      const response = await send(url, args, init.body)
      return {
        status: response.statusCode ?? 0,
        headers: flatten(response.headers),
        body: await readBody(response, maxBytes),
      }
    } catch (thrown) {
      throw toFetchError(thrown, url, timeout)
    }
  }
}

function parse(address: string): URL {
  if (!URL.canParse(address)) throw refusal('The address is no URL.')
  return new URL(address)
}

function refuseUnlisted(url: URL, hosts: ReadonlySet<string>): void {
  if (url.protocol !== 'https:') throw refusal('Only https is called.')
  if (url.username || url.password) throw refusal('An address with credentials is not called.')
  if (!hosts.has(url.host)) throw refusal(`The host ${url.host} is not on the list of hosts that may be called.`)
  const literal = url.hostname.replace(/^\[|\]$/g, '')
  // The look-up below is skipped for literal addresses.
  if (isIP(literal) !== 0 && isSpecialAddress(literal)) throw refusal(`${url.host} is not a public address.`)
}

const refusal = (message: string): SluiceError => new SluiceError('fetch-refused', message, { retry: 'never' })

/** A look-up that fails if any address is forbidden: with one such among others, which of them is taken is chance. */
export function guardLookup(lookup: LookupFunction, isForbidden: (address: string) => boolean): LookupFunction {
  return (hostname, options, done) => {
    lookup(hostname, options, (error, found, family) => {
      const addresses = typeof found === 'string' ? [found] : (found ?? []).map(({ address }) => address)
      if (!error && addresses.some(isForbidden)) {
        done(refusal(`${hostname} resolves to an address that is not public.`), [])
      } else done(error, found, family)
    })
  }
}

function send(url: URL, args: ClientRequestArgs, body: string | undefined): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const request = (url.protocol === 'https:' ? httpsRequest : httpRequest)(url, args, resolve)
    request.on('error', reject)
    request.end(body)
  })
}

async function readBody(response: IncomingMessage, maxBytes: number): Promise<Uint8Array> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > maxBytes) {
      response.destroy()
      throw new SluiceError('fetch-too-large', `The answer is larger than ${maxBytes} bytes.`, { retry: 'never' })
    }
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

const flatten = (headers: IncomingMessage['headers']): Record<string, string> =>
  Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, Array.isArray(value) ? value.join(', ') : value]],
    ),
  )

/** Everything else the network can do is a transient failure; the address is shown without its query. */
function toFetchError(thrown: unknown, url: URL, timeout: AbortSignal): SluiceError {
  if (thrown instanceof SluiceError) return thrown
  const where = `${url.origin}${url.pathname}`
  return timeout.aborted
    ? new SluiceError('fetch-timeout', `${where} did not answer in time.`, { cause: thrown })
    : new SluiceError('fetch-failed', `${where} could not be reached.`, { cause: thrown })
}
