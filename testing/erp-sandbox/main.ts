import { parseArgs } from 'node:util'
import { announceReady } from '../simulator-process.ts'
import { startErp } from './server.ts'
import type { ErpSandboxOptions } from './types.ts'

// Run alone: node testing/erp-sandbox/main.ts --port 4010 --control-port 4011 --database erp.db
const { values } = parseArgs({
  options: {
    port: { type: 'string' },
    'control-port': { type: 'string' },
    user: { type: 'string' },
    password: { type: 'string' },
    database: { type: 'string' },
    /** Everything as JSON, as `erpSandbox()` sends it; the only way to give `raises`. */
    options: { type: 'string', default: '{}' },
    /** End with the standard input. */
    attached: { type: 'boolean', default: false },
  },
})

const given: ErpSandboxOptions = {
  ...(JSON.parse(values.options) as ErpSandboxOptions),
  ...(values.port && { port: Number(values.port) }),
  ...(values['control-port'] && { controlPort: Number(values['control-port']) }),
  ...(values.user && { user: values.user }),
  ...(values.password && { password: values.password }),
  ...(values.database && { database: values.database }),
}

announceReady(values.attached, await startErp(given))
