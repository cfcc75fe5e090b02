/** Bounds the deliveries and body bytes held in memory between arrival and commit. */
export interface ByteBudget {
  take(bytes: number): boolean
  give(bytes: number): void
  readonly used: number
}

export function byteBudget(maxBytes: number): ByteBudget {
  let used = 0
  return {
    take(bytes) {
      if (used + bytes > maxBytes) return false
      used += bytes
      return true
    },
    give(bytes) {
      used -= bytes
    },
    get used() {
      return used
    },
  }
}
