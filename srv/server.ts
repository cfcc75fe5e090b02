import cds from '@sap/cds'
import { toFault } from '#domain/errors'
import { activate } from './plugin.ts'
import { capParts } from './wiring.ts'

// This package is the app here; in any other app CAP activates the plugin by itself.
activate()

// CAP would shut down on a promise that some handler forgot to await. One event's mistake must not end the gateway;
// after an exception that nobody caught, however, nothing can be trusted, and the leases run out by themselves.
cds.env.server.shutdown_on_uncaught_errors = false
const { log } = capParts(cds)
process.on('unhandledRejection', (reason) => {
  const { code, message } = toFault(reason)
  log.error('a promise was rejected and nobody awaited it', { code, message })
})
process.on('uncaughtException', (error) => {
  log.error('an exception was not caught; the process ends', { code: error.name, message: error.message })
  process.exit(1)
})

export default cds.server
