import type { AddressProvider } from '#domain/address'
import { credentials } from './auth.ts'
import type { ODataTargetOptions } from './options.ts'
import type { Transport } from './transport.ts'

/** The address that stands in the configuration; only its token changes. */
export function fixedAddress(options: ODataTargetOptions, transport: Transport, now: () => Date): AddressProvider {
  const auth = credentials(options.auth, transport, now)
  const queries = options.sapClient ? { queries: { 'sap-client': options.sapClient } } : {}
  return {
    async address() {
      const authorization = await auth.header()
      return { url: options.url, ...queries, ...(authorization === undefined ? {} : { authorization }) }
    },
    renew: ({ authorization }) => auth.forget(authorization),
  }
}

const withSlash = (url: string): string => (url.endsWith('/') ? url : `${url}/`)

/** @param path relative to the root, perhaps with a query of its own */
export function urlOf(root: string, path: string, queries: Readonly<Record<string, string>> = {}): string {
  const pairs = Object.entries(queries).map(
    ([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`,
  )
  const url = withSlash(root) + path
  return pairs.length === 0 ? url : `${url}${path.includes('?') ? '&' : '?'}${pairs.join('&')}`
}
