#!/usr/bin/env node
import { isInRange, nodeRange } from './node-range.ts'

// Before anything that an older Node cannot even load.
const { node } = process.versions
if (isInRange(node, nodeRange())) {
  const [{ main }, { processTerminal }] = await Promise.all([import('./cli.ts'), import('./terminal.ts')])
  process.exitCode = await main(process.argv.slice(2), processTerminal())
} else {
  process.stderr.write(`Node ${node} is too old: Sluice needs ${nodeRange()}. Install a newer Node.\n`)
  process.exitCode = 1
}
