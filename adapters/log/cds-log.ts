import type cds from '@sap/cds'
import type { Log } from '#domain/ports'

const SECRET = /(secret|token|password|authorization|cookie|signature|hmac|credential|apikey)/i

/**
 * Log on `cds.log`: readable text in development, one JSON object a line in production. A field `correlationId` becomes
 * the context of whoever logs, because CAP reads it there; a context per delivery would cost more than its signature.
 */
export function cdsLog(facade: typeof cds, id = 'sluice'): Log {
  const logger = facade.log(id)
  const write =
    (level: 'debug' | 'info' | 'warn' | 'error') => (message: string, fields?: Readonly<Record<string, unknown>>) => {
      if (!fields) return logger[level](message)
      const { correlationId, ...rest } = fields
      if (correlationId) facade.context = { id: correlationId } as unknown as cds.EventContext
      logger[level](message, masked(rest))
    }
  return { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') }
}

/** A last net: nobody should pass a secret to a log, and if somebody does it does not get out. */
function masked(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields)
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => [name, SECRET.test(name) ? '***' : value]),
  )
}
