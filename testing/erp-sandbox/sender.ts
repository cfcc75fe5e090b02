import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Request } from '@sap/cds'
import type { BusinessObject } from './business-objects.ts'
import type { SandboxDatabase } from './cap.ts'
import { eventPublisher } from './event-publisher.ts'
import type { SwitchBoard } from './switches.ts'
import type { Raises, SentChange } from './types.ts'

const table = 'sandbox_SenderLog'
const retryMs = 250

/**
 * Writes the change log in the transaction of each change and publishes from it afterwards, in its order, until the
 * broker takes it: an event is never lost by accident, so that the log proves what was lost on purpose.
 */
export const eventSender = async (raises: Raises | undefined, switches: SwitchBoard, database: SandboxDatabase) => {
  const publish = raises && eventPublisher(raises)
  const { run, runAlone } = database
  const [last] = await run(`SELECT max(seq) AS n FROM ${table}`)
  let seq = Number(last?.n ?? 0)
  let draining = false
  let wanted = false

  const drain = async (): Promise<void> => {
    while (publish) {
      wanted = false
      const [next] = await runAlone(`SELECT * FROM ${table} WHERE event = 'pending' ORDER BY seq LIMIT 1`)
      const change = next as unknown as SentChange | undefined
      if (!change && wanted) continue
      if (!change) break
      if (await publish(change)) await runAlone(`UPDATE ${table} SET event = 'raised' WHERE seq = ?`, [change.seq])
      else await sleep(retryMs)
    }
    draining = false
  }
  const kick = (): void => {
    wanted = true
    if (draining) return
    draining = true
    void drain()
  }
  kick()

  return async (
    object: BusinessObject,
    data: Record<string, unknown>,
    created: boolean,
    req: Request,
  ): Promise<void> => {
    if (!object.event) return
    const type = `sap.s4.beh.${object.event.toLowerCase()}.v1.${object.event}.${created ? 'Created' : 'Changed'}.v1`
    const event = !raises ? 'none' : switches.take('dropEvents') ? 'dropped' : 'pending'
    await run(`INSERT INTO ${table} (seq, entity, "key", version, type, event, eventId) VALUES (?, ?, ?, ?, ?, ?, ?)`, [
      ++seq,
      object.entity,
      data[object.key],
      object.version(data),
      type,
      event,
      raises ? randomUUID() : null,
    ])
    if (event === 'pending') req.on('succeeded', kick)
  }
}
