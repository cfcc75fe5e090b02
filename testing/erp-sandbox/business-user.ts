import cds, { type ApplicationService } from '@sap/cds'
import { stampHeader } from './business-logic.ts'
import { type BusinessObject, businessObjects, qualified } from './business-objects.ts'
import type { SandboxDatabase } from './cap.ts'
import type { HeldWrites } from './held-writes.ts'
import type { SwitchBoard } from './switches.ts'
import type { Changed, Changes } from './types.ts'

export interface BusinessUserParts {
  readonly serviceOf: (name: string) => ApplicationService
  readonly database: SandboxDatabase
  readonly switches: SwitchBoard
  readonly held: HeldWrites
  readonly stamp: () => string
}

export const businessUser = (parts: BusinessUserParts) => {
  let done = 0

  return async (changes: Changes): Promise<readonly Changed[]> => {
    const object = businessObjects.find(({ entity }) => entity === changes.entity)
    if (!object) throw new Error(`no such entity: ${changes.entity}`)
    const results: Changed[] = []
    for (let n = 0; n < (changes.count ?? 1); n++) {
      const key = changes.action === 'change' ? (changes.key ?? (await nextKey(object, done))) : undefined
      results.push(await write(object, key, { ...example(object, key, ++done), ...changes.data }))
    }
    return results
  }

  async function write(
    object: BusinessObject,
    key: string | undefined,
    data: Record<string, unknown>,
  ): Promise<Changed> {
    const late = parts.switches.takeWith('lateCommit')
    const headers = { [stampHeader]: parts.stamp() }
    const name = qualified(object)
    const commit = async (): Promise<Changed> => {
      const query = key
        ? cds.ql.UPDATE.entity(name, { [object.key]: key }).with(data)
        : cds.ql.INSERT.into(name).entries(data)
      const event = key ? 'UPDATE' : 'CREATE'
      await parts.serviceOf(object.service).tx((tx) => tx.dispatch(new cds.Request({ event, query, headers })))
      return { key: String(data[object.key]), held: false }
    }
    if (!late) return commit()
    void parts.held.hold(commit, late.afterMs)
    return { ...(key && { key }), held: true }
  }

  async function nextKey(object: BusinessObject, n: number): Promise<string> {
    const table = qualified(object).replace('.', '_')
    const [count] = await parts.database.runAlone(`SELECT count(*) AS n FROM ${table}`)
    const total = Number(count?.n)
    if (total === 0) throw new Error(`there is no ${object.noun} to change yet`)
    const [row] = await parts.database.runAlone(
      `SELECT ${object.key} AS k FROM ${table} ORDER BY ${object.key} LIMIT 1 OFFSET ?`,
      [n % total],
    )
    return String(row?.k)
  }
}

const example = (object: BusinessObject, key: string | undefined, n: number): Record<string, unknown> =>
  key ? { [object.key]: key, ...object.edit(n) } : object.example(n)
