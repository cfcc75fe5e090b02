/** What is kept of how a delivery came, beside its bytes. */
export interface KeptDelivery {
  /** UUID v7; callers of `/http/` know it as `SAP_MessageProcessingLogID`. */
  readonly key: string
  readonly receivedAt: Date
  readonly method: string
  /** Without the query. */
  readonly path: string
  /** By name in lower case: those that hold no secret, and what the source was told to keep (`query:<name>` too). */
  readonly headers: Readonly<Record<string, string>>
  /** Who delivered it, where the source knows callers. */
  readonly principal?: string
}
