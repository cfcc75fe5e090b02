/** Renewed so long before expiry that no request meets the end of it; of short-lived tokens half the time is used. */
const EXPIRY_MARGIN_MS = 300_000

export interface SharedToken {
  /** `Bearer …` */
  header(): Promise<string>
  /** After a refusal. @param refused the header that was refused; undefined: whatever there is */
  forget(refused?: string): void
}

/** One token for all, one request for it in flight. */
export function sharedToken(
  request: () => Promise<{ readonly value: string; readonly lifeMs: number }>,
  now: () => Date,
): SharedToken {
  let token: { header: string; until: number } | undefined
  let pending: Promise<string> | undefined

  async function renew(): Promise<string> {
    const { value, lifeMs } = await request()
    token = { header: `Bearer ${value}`, until: now().getTime() + Math.max(lifeMs - EXPIRY_MARGIN_MS, lifeMs / 2) }
    return token.header
  }

  return {
    async header() {
      if (token && now().getTime() < token.until) return token.header
      pending ??= renew().finally(() => {
        pending = undefined
      })
      return pending
    },
    forget(refused) {
      if (refused === undefined || token?.header === refused) token = undefined
    },
  }
}
