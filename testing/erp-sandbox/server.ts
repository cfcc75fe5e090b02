import http from 'node:http'
import { closeServer, listen, simulatorServer } from '../http.ts'
import { registerLogic } from './business-logic.ts'
import { businessObjects, qualified } from './business-objects.ts'
import { businessUser } from './business-user.ts'
import { startCap } from './cap.ts'
import { controlServer } from './control.ts'
import { forwardTo } from './forward.ts'
import { type GateParts, gate } from './gate.ts'
import { HeldWrites } from './held-writes.ts'
import { RepeatableRequests } from './repeatability.ts'
import { RequestLog } from './request-log.ts'
import { SapSessions } from './sap-session.ts'
import { eventSender } from './sender.ts'
import { SwitchBoard, type SwitchSettings } from './switches.ts'
import type { ErpSandboxOptions } from './types.ts'

/** Starts the sandbox in this process. @returns what its ready line tells. */
export const startErp = async (options: ErpSandboxOptions) => {
  const { port = 0, controlPort = 0, user = 'SAP_COM_0109', password = 'Welcome1', database = ':memory:' } = options
  const switches = new SwitchBoard()
  const held = new HeldWrites()
  const log = new RequestLog()
  const sessions = new SapSessions()
  const stamp = applicationServerClock(switches)

  // CAP behind the gate, on a port nobody is told.
  const inner = http.createServer()
  const innerPort = await listen(inner, 0)
  const cap = await startCap(database, innerPort)
  const changed = await eventSender(options.raises, switches, cap.database)
  for (const object of businessObjects) {
    const parts = { switches, stamp, run: cap.database.run, changed }
    await registerLogic(cap.serviceOf(object.service), object, parts)
  }
  inner.on('request', cap.app)

  const repeatable = new RepeatableRequests(switches)
  const erp = erpServer(
    { user, password, switches, sessions, held, repeatable, stamp, serve: forwardTo(innerPort) },
    log,
  )
  const erpPort = await listen(erp, port)
  const apply = async (settings: SwitchSettings): Promise<void> => {
    if (settings.expireSessions) sessions.expireAll()
    if (settings.down === undefined) return
    if (switches.state.down === 'refuse') await closeServer(erp)
    else if (!erp.listening) await listen(erp, erpPort)
  }

  const tables = new Map(businessObjects.map((object) => [object.entity, qualified(object).replace('.', '_')]))
  tables.set('A_SalesOrderItem', 'API_SALES_ORDER_SRV_A_SalesOrderItem')
  const control = controlServer({
    switches,
    held,
    log,
    rows: async (entity) => {
      const table = tables.get(entity)
      if (!table) throw new Error(`no such entity: ${entity}; there are ${[...tables.keys()].join(', ')}`)
      return cap.database.runAlone(`SELECT * FROM ${table}`)
    },
    sent: () => cap.database.runAlone('SELECT * FROM sandbox_SenderLog ORDER BY seq'),
    change: businessUser({ serviceOf: cap.serviceOf, database: cap.database, switches, held, stamp }),
    apply,
  })
  const address = (at: number) => `http://127.0.0.1:${at}`
  return { url: address(erpPort), control: address(await listen(control, controlPort)), user, password }
}

const erpServer = (parts: GateParts, log: RequestLog): http.Server => {
  const pass = gate(parts)
  const server = simulatorServer(async (request) => {
    const result = await pass(request)
    log.add(request.method, request.url, result === 'cut' ? 'cut' : result.status)
    return result
  })
  return server.on('connection', (socket) => {
    if (parts.switches.state.down === 'reset') socket.resetAndDestroy()
  })
}

const applicationServerClock = (switches: SwitchBoard) => {
  let writes = 0
  return (): string => {
    const skews = switches.state.skewedTimestamps
    return new Date(Date.now() + (skews[writes++ % skews.length] ?? 0)).toISOString()
  }
}
