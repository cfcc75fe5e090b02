import cds from '@sap/cds'
import { activate } from './plugin.ts'
import { faultFields } from './runtime/fault-fields.ts'
import { capParts } from './wiring.ts'

// This package is the app here; in any other app CAP activates the plugin by itself.
activate()

// CAP would shut down on a promise that some handler forgot to await. One event's mistake must not end the gateway;
// after an exception that nobody caught, however, nothing can be trusted, and the leases run out by themselves.
cds.env.server.shutdown_on_uncaught_errors = false
const { log } = capParts(cds)
let listening = false
cds.once('listening', () => {
  listening = true
})
process.on('unhandledRejection', (reason) => {
  if (listening) return log.error('a promise was rejected and nobody awaited it', faultFields(reason))
  // Nothing was served yet: what failed is the start itself, and whoever started us must see it.
  log.error('Sluice could not start', faultFields(reason))
  process.exit(1)
})
process.on('uncaughtException', (error) => {
  log.error('an exception was not caught; the process ends', faultFields(error))
  process.exit(1)
})

export default cds.server
