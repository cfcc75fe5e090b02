import { cpus, totalmem } from 'node:os'
import { parseArgs } from 'node:util'
import { profileInto } from './children.ts'
import { dispatch } from './dispatch.ts'
import { eventMesh } from './event-mesh.ts'
import { growth } from './growth.ts'
import { intake, intakeWithDrain } from './intake.ts'
import { peers } from './peers.ts'
import { postgres } from './postgres.ts'
import { describe, toTable, versions } from './report.ts'
import type { Measure, Scale } from './run.ts'
import { webhookToErp } from './webhook-to-erp.ts'

const HELP = `Measures the product against its bars (docs/benchmarks.md).

  npm run bench                     everything but growth's million, Postgres and peers
  npm run bench -- intake dispatch  some of: intake, intake-drain, event-mesh, dispatch, webhook-to-erp, growth,
                                    postgres, peers (what they are: bench/peers; install them there first)
  npm run bench -- growth --full    with 1,000,000 stored events instead of 100,000
  npm run bench -- --quick          one short rotation, to see that everything runs
  npm run bench -- --rotations 5    how often each variant runs; figures are medians
  npm run bench -- --json           the last line is one JSON object
  npm run bench -- intake --profile folder   with a CPU profile of the product`

const ALL = {
  intake,
  'intake-drain': intakeWithDrain,
  'event-mesh': eventMesh,
  dispatch,
  'webhook-to-erp': webhookToErp,
  growth,
  postgres,
  peers,
}
const BY_DEFAULT = ['intake', 'intake-drain', 'event-mesh', 'dispatch', 'webhook-to-erp', 'growth']

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    full: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
    rotations: { type: 'string' },
    keys: { type: 'string', default: '1000' },
    profile: { type: 'string' },
  },
})

if (values.help) console.log(HELP)
else await run(positionals.length > 0 ? positionals : BY_DEFAULT)

async function run(names: readonly string[]): Promise<void> {
  const unknown = names.filter((name) => !Object.hasOwn(ALL, name))
  if (unknown.length > 0) throw new Error(`there is no ${unknown.join(', ')}; there are ${Object.keys(ALL).join(', ')}`)
  profileInto(values.profile)
  const scale: Scale = {
    rotations: Number(values.rotations ?? (values.quick ? 1 : 3)),
    // V8 goes on compiling for some seconds, with the other core.
    warmUpMs: values.quick ? 500 : 6_000,
    measureMs: values.quick ? 1_500 : 4_000,
    connections: 32,
    keys: Number(values.keys),
    dispatches: values.quick ? 20_000 : 100_000,
    stored: values.quick ? 20_000 : values.full ? 1_000_000 : 100_000,
  }
  const machine = describe(cpus(), totalmem())
  console.log(`${new Date().toISOString()}, ${machine}, ${versions()}`)
  const results: Record<string, readonly Measure[]> = {}
  for (const name of names) {
    results[name] = await ALL[name as keyof typeof ALL](scale)
    console.log(`\n${name}\n${toTable(results[name])}`)
  }
  if (values.json) console.log(JSON.stringify({ at: new Date().toISOString(), machine, versions: versions(), results }))
}
