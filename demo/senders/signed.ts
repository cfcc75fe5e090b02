/** What a provider sends, and what it will remember having sent. */
export interface SignedDelivery {
  /** Configured source it goes to. */
  readonly source: string
  /** The sender's own id of the fact: two deliveries of one fact share it. */
  readonly id: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** Signs at the moment of sending, as providers do: a retry gets a fresh timestamp. */
export type Signer = () => Promise<SignedDelivery>
