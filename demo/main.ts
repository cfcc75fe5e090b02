import { setTimeout as pause } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { count } from './expectations.ts'
import { REDELIVERY_MS, tellStory } from './story.ts'
import { tailEvents } from './tail.ts'
import { isComplete, type Tally, total } from './tally.ts'
import { openWorld, type World } from './world.ts'

const HELP = `Runs two ERP sandboxes, an Event Mesh simulator, the gateway and four webhook senders on this machine.

  npm run demo                       shows what happens and stays up
  npm run demo -- --once             ends by itself: 0 only if nothing is lost or doubled
  npm run demo -- --once --json      the last line is one JSON object: expected, found, duplicates, lost
  npm run demo -- --port 4004        the gateway's port (any free one)
  npm run demo -- --verbose          the gateway's own log as well`

const SETTLE_WITHIN_MS = 90_000
const INTERRUPTED = 130
const LOOK_AFTER_PARENT_MS = 500

const options = {
  once: { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
  verbose: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
  port: { type: 'string' },
} as const

type Values = ReturnType<typeof parseArgs<{ options: typeof options }>>['values']

/** Asked to end, or nobody reads any more. A second Ctrl-C does not wait for anything. */
const interrupted = new Promise<void>((resolve) => {
  let asked = false
  const ask = () => {
    if (asked) process.exit(INTERRUPTED)
    asked = true
    resolve()
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, ask)
  process.stdout.on('error', () => resolve())
  if (process.env.npm_lifecycle_event === 'demo') onOrphaned(resolve)
})
let open: World | undefined

try {
  const { values } = parseArgs({ options })
  if (values.help) console.log(HELP)
  // Whatever fails because the world is being closed is of no interest.
  else process.exitCode = await Promise.race([run(values), interrupted.then(() => INTERRUPTED)])
} catch (thrown) {
  const { code, message } = thrown as NodeJS.ErrnoException
  const isTaken = code === 'EADDRINUSE'
  console.error(isTaken ? `${message}: choose another port by --port, or leave it out.` : message)
  if (code?.startsWith('ERR_PARSE_ARGS')) console.error(`\n${HELP}`)
  process.exitCode = 1
}
await open?.close()
// What is not complete yet, or has lost its reader, ends with this process.
if (process.exitCode) process.exit()

async function run(values: Values): Promise<number> {
  const startedAt = Date.now()
  const tell = values.json ? () => undefined : (line: string) => console.log(line)
  tell('Starting two ERP sandboxes, an Event Mesh simulator and the gateway …')
  const world = await openWorld({ verbose: values.verbose, ...(values.port && { port: toPort(values.port) }) })
  open = world
  tell(`Events: ${world.gateway.url}/cockpit/ (user "operator", no password)\n`)
  const tail = tailEvents(world.gateway.url, tell)
  const acknowledged = await tellStory(world, tell)
  const result = await settled(world, () => count(world, acknowledged))
  await pause(1_000)
  tail.stop()
  show(result, tell)
  for (const fault of result.flatMap(({ faults }) => faults)) console.error(fault)
  const sums = total(result)
  if (!values.once) {
    tell(
      `\nStill running after ${Math.round((Date.now() - startedAt) / 1000)} s: ${world.gateway.url}/cockpit/ — end it with Ctrl+C.`,
    )
    await interrupted
  }
  if (values.json) console.log(JSON.stringify(sums))
  return isComplete(sums) ? 0 : 1
}

/** npm hands a SIGTERM to its shell and ends; the shell hands it to nobody. Standard input may be closed from the start. */
function onOrphaned(orphaned: () => void): void {
  const parent = process.ppid
  setInterval(() => process.ppid !== parent && orphaned(), LOOK_AFTER_PARENT_MS).unref()
}

function toPort(text: string): number {
  const port = Number(text)
  if (Number.isInteger(port) && port > 0 && port < 65_536) return port
  throw new Error(`--port ${text} is no port: 1 to 65535.`)
}

/** Until everything is there and stays so, or time is up: what is missing then is lost. */
async function settled(world: World, look: () => Promise<Tally[]>): Promise<Tally[]> {
  const giveUpAt = Date.now() + SETTLE_WITHIN_MS
  for (;;) {
    const result = await look()
    const { queues } = await world.broker.state()
    const isDrained = queues.every(({ ready, unacked }) => ready + unacked === 0)
    if ((isComplete(total(result)) && isDrained) || Date.now() > giveUpAt) return result
    if (!isDrained) await world.broker.advance(REDELIVERY_MS)
    await pause(500)
  }
}

function show(tallies: readonly Tally[], tell: (line: string) => void): void {
  const line = (name: string, cells: readonly (string | number)[]) =>
    tell(name.padEnd(20) + cells.map((cell) => String(cell).padStart(12)).join(''))
  tell("\nCounted in the subsidiary's own database against the senders' own logs:")
  line('', ['expected', 'found', 'duplicates', 'lost'])
  for (const { kind, expected, found, duplicates, lost } of tallies) line(kind, [expected, found, duplicates, lost])
  const { expected, found, duplicates, lost } = total(tallies)
  line('total', [expected, found, duplicates, lost])
}
