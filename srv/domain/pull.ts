/** A message as a broker handed it out. The broker keeps it until the acknowledgement, or hands it out again. */
export interface PulledMessage {
  readonly id: string
  readonly body: Uint8Array
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, readonly string[]>>
}

/** A queue that is read by asking. All calls throw `SluiceError` with a retry rule. */
export interface Pull {
  /** @returns undefined where the queue is empty */
  consume(signal: AbortSignal): Promise<PulledMessage | undefined>
  acknowledge(id: string, signal: AbortSignal): Promise<void>
  close(): void
}
