import type { Address } from '#domain/address'
import type { SharedToken } from '#domain/shared-token'
import { type Bindings, textOf } from './bindings.ts'
import { serviceToken } from './service-token.ts'

export interface Connectivity {
  /** @param locationId of the Cloud Connector, where a subaccount has several */
  proxy(locationId?: string): Promise<NonNullable<Address['proxy']>>
  /** After a 407. */
  forget(): void
}

/**
 * The connectivity service's HTTP proxy to systems behind a Cloud Connector, without principal propagation.
 * https://help.sap.com/docs/connectivity/sap-btp-connectivity-cf/using-proxy-for-on-premise-connectivity
 */
export function connectivity(bindings: Bindings, now: () => Date): Connectivity {
  let token: SharedToken | undefined
  return {
    async proxy(locationId) {
      const credentials = bindings.of('connectivity')
      token ??= serviceToken(credentials, now)
      const host = textOf(credentials, 'onpremise_proxy_host')
      const port = textOf(credentials, 'onpremise_proxy_http_port', 'onpremise_proxy_port')
      return {
        url: `http://${host}:${port}`,
        headers: {
          'proxy-authorization': await token.header(),
          ...(locationId === undefined ? {} : { 'sap-connectivity-scc-location_id': locationId }),
        },
      }
    },
    forget: () => token?.forget(),
  }
}
