import type { Log } from '#domain/ports'

const LEVELS = ['debug', 'info', 'warn', 'error'] as const

/** A log that never throws: what happens to an event must not depend on whether it could be told. */
export function safeLog(log: Log | undefined): Log {
  const safe = {} as Record<keyof Log, Log['info']>
  for (const level of LEVELS) {
    safe[level] = (message, fields) => {
      try {
        log?.[level](message, fields)
      } catch {
        // There is nobody left to tell.
      }
    }
  }
  return safe
}
