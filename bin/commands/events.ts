import { command } from '../command.ts'
import { describeDispatch, shortTime, showTable, stateOf } from '../describe.ts'
import { EXIT, usage } from '../exit.ts'
import { readEvents } from '../gateway/events.ts'
import type { EventRow } from '../gateway/rows.ts'
import { layOut } from '../table.ts'
import { toJson } from '../text.ts'
import { filterOptions, gatewayOptions, openGateway, toFilters } from './shared-options.ts'

const COLUMNS = [
  { name: 'event' },
  { name: 'received' },
  { name: 'source', min: 6 },
  { name: 'type', min: 12 },
  { name: 'subject', min: 7 },
  { name: 'state' },
]

export const events = command({
  words: 'events',
  about: 'List events, newest first',
  options: (yargs) =>
    gatewayOptions(filterOptions(yargs))
      .option('id', { type: 'string', describe: "The sender's id of an event", requiresArg: true })
      .option('limit', { type: 'number', describe: 'How many at most', default: 50, requiresArg: true })
      .group(['id', 'limit'], 'Which events:')
      .example('$0 events --state dead --since 1d', 'What died since yesterday')
      .example("$0 events --type 'payment.*' --json | jq .id", "Senders' ids, one line each"),
  run: async (args, terminal) => {
    const limit = checkLimit(args.limit)
    const client = await openGateway(args, terminal, terminal.interruption())
    const filters = { ...toFilters(args, Date.now()), id: args.id }
    const rows: EventRow[] = []
    let read = 0
    for await (const row of readEvents(client, filters, { order: 'newest', limit })) {
      if (args.json) terminal.out(toJson(row))
      else rows.push(row)
      if (++read % 1_000 === 0) terminal.progress(`${read} events`)
    }
    if (args.json) return EXIT.ok
    if (rows.length === 0) terminal.note('No event matches.')
    else showTable(terminal, layOut(COLUMNS, rows.map(toCells), terminal.columns))
    return EXIT.ok
  },
})

const toCells = (row: EventRow): string[] => [
  row.event,
  shortTime(row.receivedAt),
  row.origin,
  row.type,
  row.subject ?? '',
  stateOf(row) === 'dead' || stateOf(row) === 'unsure' ? row.dispatches.map(describeDispatch).join(', ') : stateOf(row),
]

function checkLimit(limit: number): number {
  if (Number.isInteger(limit) && limit >= 1) return limit
  throw usage('--limit is no count.', 'Write 1 or more.')
}
