import { SluiceError } from '#domain/errors'
import { command } from '../command.ts'
import { colorOf, describeDispatch, shortTime } from '../describe.ts'
import { EXIT, usage } from '../exit.ts'
import type { GatewayClient } from '../gateway/client.ts'
import { isUuid, quote } from '../gateway/odata.ts'
import type { AttemptRow, EventRow } from '../gateway/rows.ts'
import type { Terminal } from '../terminal.ts'
import { plural, safe, toJson } from '../text.ts'
import { gatewayOptions, openGateway } from './shared-options.ts'

type Row = Readonly<Record<string, unknown>>

export const show = command({
  words: 'show <event>',
  about: 'Show one event with its delivery, dispatches and attempts',
  options: (yargs) =>
    gatewayOptions(yargs)
      .positional('event', { type: 'string', demandOption: true, describe: "Its key, or the sender's id" })
      .option('payload', {
        type: 'boolean',
        default: false,
        describe: 'Its data too: personal data perhaps, and only for SluiceOperator',
      })
      .example('$0 show 01a1fd28-5d98-7000-bd22-c05b3a111022', 'By the key that `sluice events` lists')
      .example('$0 show evt_1Mxyz --payload --json', "By the sender's id, with its data"),
  run: async (args, terminal) => {
    const client = await openGateway(args, terminal, terminal.interruption())
    const event = await findEvent(client, args.event)
    const [delivery] = await client.read<Row>('Deliveries', { filter: `ID eq ${event.delivery}` })
    const payload = args.payload ? await client.call<string | null>(`data(event=${event.event})`) : undefined
    if (args.json)
      terminal.out(toJson({ ...event, delivery: delivery ?? event.delivery, ...(args.payload ? { payload } : {}) }))
    else print(terminal, event, delivery, payload)
    return EXIT.ok
  },
})

/** @throws SluiceError `not-found`; `usage` where several senders use the id */
async function findEvent(client: GatewayClient, wanted: string): Promise<EventRow & Row> {
  const expand = 'dispatches($orderby=ID;$expand=history($orderby=n))'
  const filter = isUuid(wanted) ? `event eq ${wanted} or id eq ${quote(wanted)}` : `id eq ${quote(wanted)}`
  const [event, ...others] = await client.read<EventRow & Row>('Events', { filter, expand, top: 10 })
  if (!event) throw new SluiceError('not-found', `There is no event "${wanted}".`, { retry: 'never' })
  if (others.length === 0) return event
  const found = [event, ...others].map(({ event: key, origin }) => `${key} (${origin})`)
  throw usage(`Several events have the id "${wanted}": ${found.join(', ')}.`, 'Name one by its key.')
}

const HIDDEN = new Set(['event', 'delivery', 'dispatches', 'unrouted'])

function print(terminal: Terminal, event: EventRow & Row, delivery: Row | undefined, payload?: string | null): void {
  const { out, paint } = terminal
  out(paint('bold', `Event ${event.event}`))
  for (const [name, value] of Object.entries(event)) if (!HIDDEN.has(name)) field(terminal, name, value)
  out(paint('bold', `Delivery ${safe(event.delivery)}`))
  if (!delivery) out('  removed by retention')
  for (const [name, value] of Object.entries(delivery ?? {})) if (name !== 'ID') field(terminal, name, value)
  out(
    paint(
      'bold',
      event.dispatches.length === 0
        ? 'No dispatches: unrouted'
        : plural(event.dispatches.length, 'dispatch', 'dispatches'),
    ),
  )
  for (const dispatch of event.dispatches) {
    out(`  ${paint(colorOf(dispatch.status), safe(describeDispatch(dispatch)))}`)
    out(paint('dim', `    ${safe(dispatch.ID)}`))
    if (dispatch.status === 'waiting' && dispatch.availableAt) out(`    next at ${shortTime(dispatch.availableAt)}`)
    for (const attempt of dispatch.history ?? []) out(`    ${describeAttempt(attempt)}`)
  }
  if (payload !== undefined) {
    out(paint('bold', 'Payload'))
    out(payload === null ? '  removed by retention, or none' : safe(payload))
  }
}

function field({ out, paint }: Terminal, name: string, value: unknown): void {
  if (value === null || value === undefined || value === '') return
  out(`  ${paint('dim', `${name}:`)} ${safe(String(value))}`)
}

function describeAttempt({ n, at, outcome, durationMs, code, httpStatus, message }: AttemptRow): string {
  const facts = [durationMs === null ? '' : `${durationMs} ms`, httpStatus ? `HTTP ${httpStatus}` : '', code ?? '']
  const tail = facts.filter(Boolean).join(', ')
  return safe(`#${n} ${shortTime(at)} ${outcome}${tail ? ` (${tail})` : ''}${message ? `: ${message}` : ''}`)
}
