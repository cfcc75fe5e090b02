import { globSync } from 'node:fs'
import { join } from 'node:path'

// For the whole run, which has one worker a core: each of these suites starts processes enough for two, with leases of a
// second, and two of them at once would take each other's time. They also share their ERPs.
for (const file of globSync('*.test.ts', { cwd: import.meta.dirname }).sort()) {
  await import(join(import.meta.dirname, file))
}
