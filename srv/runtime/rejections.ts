import type { Clock, Journal, Log } from '#domain/ports'
import { faultFields } from './fault-fields.ts'
import { refusalLog } from './refusal-log.ts'

const FLUSH_MS = 10_000
const MINUTE_MS = 60_000
/** Reasons are a closed list and sources are configured: more keys than this cannot be. */
const MAX_KEYS = 10_000

/** Counts refusals in memory and adds them to the store now and then: an attacker's flood costs no writes. */
export function rejectionCounter(journal: Pick<Journal, 'countRejections'>, clock: Clock, log: Log) {
  const refusals = refusalLog(clock, log)
  let counts = new Map<string, { source: string; reason: string; minute: Date; count: number }>()
  let cancel: (() => void) | undefined

  async function flush(): Promise<void> {
    cancel?.()
    cancel = undefined
    if (counts.size === 0) return
    const batch = [...counts.values()]
    counts = new Map()
    try {
      await journal.countRejections(batch)
    } catch (thrown) {
      log.warn('refusal counts were lost', { ...faultFields(thrown), entries: batch.length })
    }
  }

  return {
    count(source: string, reason: string, correlationId?: string): void {
      const minute = new Date(Math.floor(clock.now().getTime() / MINUTE_MS) * MINUTE_MS)
      const key = JSON.stringify([source, reason, minute.getTime()])
      const known = counts.get(key)
      if (known) known.count += 1
      else if (counts.size < MAX_KEYS) counts.set(key, { source, reason, minute, count: 1 })
      refusals.refused('warn', 'deliveries are refused', { source, reason, correlationId })
      cancel ??= clock.after(FLUSH_MS, () => void flush())
    },
    flush,
  }
}
