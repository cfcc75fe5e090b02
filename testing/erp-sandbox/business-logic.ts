import type { ApplicationService, Request } from '@sap/cds'
import { type BusinessObject, qualified } from './business-objects.ts'
import type { SandboxDatabase } from './cap.ts'
import type { SwitchBoard } from './switches.ts'

/** Set on requests whose write got its timestamp before it came here. */
export const stampHeader = 'x-sandbox-stamp'

export interface LogicParts {
  readonly switches: SwitchBoard
  readonly stamp: () => string
  readonly run: SandboxDatabase['run']
  /** Called in the transaction of the change. */
  readonly changed: (
    object: BusinessObject,
    data: Record<string, unknown>,
    created: boolean,
    req: Request,
  ) => Promise<void>
}

/** What the ERP itself does with a write: number ranges, checks, locks, change stamps, its change log. */
export const registerLogic = async (service: ApplicationService, object: BusinessObject, parts: LogicParts) => {
  const { entity, key } = object
  const table = qualified(object).replace('.', '_')
  const [last] = await parts.run(`SELECT max(CAST(${key} AS INTEGER)) AS n FROM ${table}`)
  let nextNumber = Math.max(Number(last?.n ?? 0) + 1, object.numberFrom)
  const busy = new Map<string, number>()

  service.before('CREATE', entity, (req: Request) => {
    const data = req.data as Record<string, unknown>
    for (const element of object.mandatory) {
      if (!data[element])
        req.reject({ status: 400, code: 'SLUICE/001', message: `Enter a value for ${element}`, target: element })
    }
    data[key] = String(nextNumber++)
    const at = stampOf(req)
    data.CreationDate = at.slice(0, 10)
    object.stamp(data, at)
    numberItems(data, key)
  })

  service.before('UPDATE', entity, async (req: Request) => {
    const data = req.data as Record<string, unknown>
    const id = String(data[key])
    refuseLocked(req, id)
    const [row] = await parts.run(`SELECT * FROM ${table} WHERE ${key} = ?`, [id])
    object.stamp(data, stampOf(req), row)
    numberItems(data, key)
  })

  service.before('DELETE', entity, (req: Request) => refuseLocked(req, keyOf(req)))

  service.after(['CREATE', 'UPDATE'], entity, async (_: unknown, req: Request) => {
    const data = req.data as Record<string, unknown>
    const locks = parts.switches.state.lockAfterWrite
    if (locks > 0) busy.set(String(data[key]), locks)
    await parts.changed(object, data, req.event === 'CREATE', req)
  })

  const stampOf = (req: Request): string => String(req.headers[stampHeader] ?? parts.stamp())
  const keyOf = (req: Request): string =>
    String((req.params.at(-1) as Record<string, unknown> | undefined)?.[key] ?? '')

  const refuseLocked = (req: Request, id: string): void => {
    const left = busy.get(id) ?? 0
    if (left > 0) {
      busy.set(id, left - 1)
      refuse(req, id, parts.switches.state.lock.status)
    }
    const only = parts.switches.state.lock.key
    const lock = only === undefined || only === id ? parts.switches.takeWith('lock') : undefined
    if (lock) refuse(req, id, lock.status)
  }

  const refuse = (req: Request, id: string, status: number): void => {
    req.reject({
      status,
      code: 'VL/045',
      message: `The ${object.noun} ${id} is currently being processed by user SAP_WFRT`,
    })
  }
}

const numberItems = (data: Record<string, unknown>, key: string): void => {
  const items = data.to_Item as Record<string, unknown>[] | undefined
  for (const [index, item] of (items ?? []).entries()) {
    item[key] = data[key]
    item.SalesOrderItem ??= String((index + 1) * 10)
  }
}
