import cds from '@sap/cds'
import { activate } from './plugin.ts'

// This package is the app here; in any other app CAP activates the plugin by itself.
activate()

export default cds.server
