import { enableCompileCache, flushCompileCache } from 'node:module'
import { resolve } from 'node:path'

// Preloaded by every development script (`node --import`): runs the TypeScript sources as they are, on any shell.
// CAP ignores .ts handlers without CDS_TYPESCRIPT; children (cds watch, test servers) inherit all settings.
const condition = '--conditions=sluice-source'
process.env.CDS_TYPESCRIPT = 'true'
if (!process.env.NODE_OPTIONS?.includes(condition)) {
  process.env.NODE_OPTIONS = [process.env.NODE_OPTIONS, condition].filter(Boolean).join(' ')
}

// Half of a process's start is compiling, and the tests start hundreds; a killed process writes nothing at its end.
process.env.NODE_COMPILE_CACHE ??= resolve(import.meta.dirname, '../.tmp/compiled')
enableCompileCache(process.env.NODE_COMPILE_CACHE)
setTimeout(flushCompileCache, 3_000).unref()
