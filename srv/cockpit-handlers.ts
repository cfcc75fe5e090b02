import type { Request, Service } from '@sap/cds'
import { SluiceError } from '#domain/errors'
import { canonicalPath, HTTP_ROOT } from '#domain/http-path'
import type { SourceRisk } from '#domain/plan-mesh'
import type { Admin, AdminResult } from '#domain/ports'
import type { SluiceConfig } from './config.ts'
import { ask } from './rows-query.ts'

/** What the cockpit needs of CAP's database service. */
interface CockpitDatabase {
  /** A transaction of its own, over when `work` is. */
  tx<T>(work: (tx: { run(query: unknown): Promise<unknown> }) => Promise<T>): Promise<T>
}

/**
 * Never in the request's own transaction: it would hold SQLite's only connection until the request ends, and whatever
 * the same request (a `$batch`) asks of the gateway would wait for that connection for ever, and all intake with it.
 */
const read = async ({ database }: CockpitParts, query: unknown): Promise<unknown> =>
  (await database()).tx((tx) => tx.run(query))

export interface CockpitParts {
  readonly admin: () => Admin
  readonly database: () => Promise<CockpitDatabase>
  readonly lastDeliveryAt: (source: string) => Promise<Date | undefined>
  readonly risks: () => Promise<readonly SourceRisk[]>
  readonly config: () => SluiceConfig
}

const STATUS: Readonly<Record<'not-found' | 'conflict', { status: number; text: string }>> = {
  'not-found': { status: 404, text: 'There is nothing with this key.' },
  conflict: {
    status: 409,
    text: 'It is in a worker\u2019s hands, or in a state this action does not apply to. Look again and retry.',
  },
}

const OF_SUBSCRIPTION = ['pause', 'resume', 'unregister']

/** Reads come from the tables, every write goes through the gateway. */
export function serveCockpit(service: Service, parts: CockpitParts): void {
  service.prepend(() => {
    service.on('READ', 'Sources', (request: Request) => readSources(request, parts))
    service.on('READ', (request: Request) => read(parts, request.query))
    service.on('data', (request: Request) => readData(request, parts))

    const act = (name: string, run: (admin: Admin, request: Request, by: string) => Promise<AdminResult>) =>
      service.on(name, async (request: Request) => {
        const result = await run(parts.admin(), request, request.user.id)
        if (result.ok) return request.event === 'replay' ? result.dispatches : undefined
        const { status, text } = STATUS[result.reason]
        const isMisnamed = result.reason === 'not-found' && OF_SUBSCRIPTION.includes(name)
        return request.reject(status, isMisnamed ? await noSubscription(keyOf(request, 'name'), parts) : text)
      })

    act('retry', (admin, request, by) => admin.retry(keyOf(request, 'ID'), by))
    act('discard', (admin, request, by) => admin.discard(keyOf(request, 'ID'), by))
    act('pause', (admin, request, by) => admin.pause(keyOf(request, 'name'), by))
    act('resume', (admin, request, by) => admin.resume(keyOf(request, 'name'), by))
    act('unregister', (admin, request, by) => admin.unregister(keyOf(request, 'name'), by))
    act('replay', (admin, request, by) => admin.replay(request.data.event, request.data.subscription ?? undefined, by))
  })
}

async function readSources(request: Request, { config, lastDeliveryAt, risks }: CockpitParts) {
  const entries = Object.entries(config().sources ?? {})
  const found = await risks()
  const textOf = (name: string) =>
    found
      .filter(({ source }) => source === name)
      .map(({ severity, text }) => `${severity}: ${text}`)
      .join('\n')
  const rows = await Promise.all(
    entries.map(async ([name, { kind, path }]) => ({
      name,
      kind,
      path: kind === 'http' ? HTTP_ROOT + canonicalPath(String(path)) : `/webhooks/${name}`,
      lastDeliveryAt: (await lastDeliveryAt(name))?.toISOString() ?? null,
      risks: textOf(name) || null,
    })),
  )
  try {
    return ask(request, rows)
  } catch (thrown) {
    if (thrown instanceof SluiceError && thrown.httpStatus) return request.reject(thrown.httpStatus, thrown.message)
    throw thrown
  }
}

/** Names what is there: whoever may act may read the subscriptions as well. */
async function noSubscription(name: string, parts: CockpitParts): Promise<string> {
  const { SELECT } = (await import('@sap/cds')).default.ql
  const found = (await read(
    parts,
    SELECT.from('sluice.Subscriptions').columns('name').where({ removedAt: null }).orderBy('name'),
  )) as { name: string }[]
  const names = found.map((one) => one.name)
  return `There is no subscription "${name}". There are: ${names.join(', ') || 'none'}.`
}

async function readData(request: Request, parts: CockpitParts) {
  const { SELECT } = (await import('@sap/cds')).default.ql
  const row = (await read(
    parts,
    SELECT.one.from('sluice.Events').columns('data', 'dataBase64').where({ event: request.data.event }),
  )) as { data: string | null; dataBase64: string | null } | undefined
  if (!row) return request.reject(404, STATUS['not-found'].text)
  return row.data ?? row.dataBase64
}

/** A bound action's key arrives as the last of `params`, as an object or as the bare value. */
function keyOf(request: Request, name: string): string {
  const last = request.params.at(-1) as string | Readonly<Record<string, string>> | undefined
  return typeof last === 'object' ? (last[name] ?? '') : (last ?? '')
}
