/** What a subscription has before it, counted in lanes. */
export interface Backlog {
  readonly subscription: string
  /** Nobody works on it, and somebody could right now; a lease that ran out is among them. */
  readonly due: number
  readonly leased: number
  /** Waits for its next try. */
  readonly resting: number
  /** A dead or unsure head waits for an operator. */
  readonly blocked: number
  /** When the oldest event arrived that waits at the head of a lane, or behind a blocked one. */
  readonly oldestReceivedAt?: Date
}

/** What asking may cost, whatever waits. */
export interface BacklogBounds {
  /** Counts of one subscription's lanes stop here, blocked ones counted apart. */
  readonly lanes: number
  /** Lanes whose head is looked at for the oldest event: those longest due, and as many blocked ones. */
  readonly heads: number
}
