import type { AddressProvider } from '#domain/address'
import type { Log } from '#domain/ports'
import type { EntitySpec } from '#domain/target'
import type { EdmType } from './edm.ts'

/** How an entity set is keyed, recognized and versioned, and the types its JSON does not show. */
export interface ODataEntitySpec extends EntitySpec {
  /** Only where they are not evident: keys that look like a UUID are Guids, the version is a DateTimeOffset. */
  readonly types?: Readonly<Record<string, EdmType>>
}

/** How a target is logged on to. */
export type ODataAuth =
  | { readonly kind: 'none' }
  | { readonly kind: 'basic'; readonly user: string; readonly password: string }
  /** Client credentials (RFC 6749 §4.4), as XSUAA and IAS give them to technical users. */
  | { readonly kind: 'oauth2'; readonly tokenUrl: string; readonly clientId: string; readonly clientSecret: string }

/** Where an OData service is and how it behaves. Times in ms, sizes in bytes. */
export interface ODataTargetOptions {
  readonly version: 'v2' | 'v4'
  /** Service root, e.g. `https://my300000-api.s4hana.ondemand.com/sap/opu/odata/sap/API_SALES_ORDER_SRV`. */
  readonly url: string
  readonly auth: ODataAuth
  /** By entity set name. Sessions reach no others. */
  readonly entities: Readonly<Record<string, ODataEntitySpec>>
  /** Whether writes carry a CSRF token; true, as SAP Gateway demands. */
  readonly csrf?: boolean
  /** Whether V2 writes carry `RequestID` and `RepeatabilityCreation`; true. Few systems honor them, none may rely on it. */
  readonly repeatability?: boolean
  /** How long a write whose answer was lost may still commit: before that a look-up proves nothing. 60,000. */
  readonly settleMs?: number
  /** For one request, first byte sent to last byte read. 30,000. */
  readonly timeoutMs?: number
  /** Longer answers are cut off while they come. 10 MB. */
  readonly maxResponseBytes?: number
  /** Sent with every request, e.g. an API key. */
  readonly headers?: Readonly<Record<string, string>>
  /** Logon client, three digits. */
  readonly sapClient?: string
  readonly log?: Log
  /** Clock for token expiry and pauses; the system's by default. */
  readonly now?: () => Date
}

/** A target whose address and credentials somebody else keeps, e.g. SAP BTP's destination service. */
export interface ODataTargetAt extends Omit<ODataTargetOptions, 'url' | 'auth' | 'sapClient'> {
  readonly address: AddressProvider
}

export const DEFAULTS = {
  settleMs: 60_000,
  timeoutMs: 30_000,
  maxResponseBytes: 10 * 1024 * 1024,
} as const
