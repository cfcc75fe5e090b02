/** Where the next requests to a system go, and with what credentials. Both may change over time. */
export interface Address {
  /** Absolute URL of the service root, without query. */
  readonly url: string
  /** Value of the `Authorization` header. */
  readonly authorization?: string
  /** Sent with every request; names in lower case. */
  readonly headers?: Readonly<Record<string, string>>
  /** Appended to every request's query, unencoded. */
  readonly queries?: Readonly<Record<string, string>>
  /** An HTTP proxy that takes plain-HTTP requests in absolute form, with the headers it wants for itself. */
  readonly proxy?: { readonly url: string; readonly headers: Readonly<Record<string, string>> }
}

/** Asked before every request, so it caches; tells a target where its system is now. */
export interface AddressProvider {
  /** @throws SluiceError where the address or its credentials cannot be had */
  address(): Promise<Address>
  /** After the system (401) or the proxy (407) refused the credentials: the next `address()` looks again. */
  renew(refused: Address): void
}
