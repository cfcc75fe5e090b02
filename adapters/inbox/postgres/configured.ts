import { CLIENT, POOL } from './service.ts'

/** What CAP keeps under `cds.requires` for a database service. */
export interface ConfiguredService {
  pool?: Readonly<Record<string, unknown>>
  client?: Readonly<Record<string, unknown>>
}

/**
 * Completes an app's service before CAP opens its pool. CAP's own defaults (one second for a connection: a burst of
 * webhooks would be refused) give way to Sluice's; what the app says itself stays.
 * @param kind CAP's defaults for the kind `postgres`, which are merged into the service already
 */
export function completeService(service: ConfiguredService, kind: ConfiguredService = {}): void {
  service.pool = { ...POOL, ...saidByTheApp(service.pool, kind.pool) }
  service.client = { ...CLIENT, ...saidByTheApp(service.client, kind.client) }
}

const saidByTheApp = (settings: ConfiguredService['pool'] = {}, defaults: ConfiguredService['pool'] = {}) =>
  Object.fromEntries(Object.entries(settings).filter(([name, value]) => defaults[name] !== value))
