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
      .positional('event', {
        type: 'string',
        demandOption: true,
        describe: "Its key, the sender's id, or the key of its delivery (SAP_MessageProcessingLogID)",
      })
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
    const [delivery] = await readDelivery(client, event?.delivery ?? args.event)
    if (!event) {
      // A repetition, a conflict, what waits in quarantine: it came, and no event was made of it.
      if (!delivery) throw new SluiceError('not-found', `There is no event "${args.event}".`, { retry: 'never' })
      if (args.json) terminal.out(toJson({ event: null, delivery }))
      else printDelivery(terminal, args.event, delivery)
      return EXIT.ok
    }
    const payload = args.payload ? await client.call<string | null>(`data(event=${event.event})`) : undefined
    if (args.json)
      terminal.out(toJson({ ...event, delivery: delivery ?? event.delivery, ...(args.payload ? { payload } : {}) }))
    else print(terminal, event, delivery, payload)
    return EXIT.ok
  },
})

const readDelivery = (client: GatewayClient, key: string): Promise<readonly Row[]> =>
  isUuid(key) ? client.read<Row>('Deliveries', { filter: `ID eq ${key}` }) : Promise.resolve([])

/** @throws SluiceError `usage` where several events are meant */
async function findEvent(client: GatewayClient, wanted: string): Promise<(EventRow & Row) | undefined> {
  const expand = 'dispatches($orderby=ID;$expand=history($orderby=n))'
  const byKey = isUuid(wanted) ? `event eq ${wanted} or delivery eq ${wanted} or ` : ''
  const filter = `${byKey}id eq ${quote(wanted)}`
  const [event, ...others] = await client.read<EventRow & Row>('Events', { filter, expand, top: 10 })
  if (!event || others.length === 0) return event
  const found = [event, ...others].map(({ event: key, origin }) => `${key} (${origin})`)
  throw usage(`"${wanted}" stands for several events: ${found.join(', ')}.`, 'Name one by its key.')
}

const HIDDEN = new Set(['event', 'delivery', 'dispatches', 'unrouted'])

function print(terminal: Terminal, event: EventRow & Row, delivery: Row | undefined, payload?: string | null): void {
  const { out, paint } = terminal
  out(paint('bold', `Event ${event.event}`))
  for (const [name, value] of Object.entries(event)) if (!HIDDEN.has(name)) field(terminal, name, value)
  printDelivery(terminal, event.delivery, delivery)
  out(
    paint(
      'bold',
      event.dispatches.length === 0
        ? 'No dispatches: unrouted'
        : plural(event.dispatches.length, 'dispatch', 'dispatches'),
    ),
  )
  for (const dispatch of event.dispatches) {
    out(`  ${paint(colorOf(dispatch.status), safe(describeDispatch(dispatch)))}  ${safe(dispatch.mplStatus)}`)
    out(paint('dim', `    ${safe(dispatch.ID)}`))
    if (dispatch.status === 'waiting' && dispatch.availableAt) out(`    next at ${shortTime(dispatch.availableAt)}`)
    for (const attempt of dispatch.history ?? []) out(`    ${describeAttempt(attempt)}`)
  }
  if (payload !== undefined) {
    out(paint('bold', 'Payload'))
    out(payload === null ? '  removed by retention, or none' : safe(payload))
  }
}

function printDelivery(terminal: Terminal, key: string, delivery: Row | undefined): void {
  terminal.out(terminal.paint('bold', `Delivery ${safe(key)}`))
  if (!delivery) terminal.out('  removed by retention')
  for (const [name, value] of Object.entries(delivery ?? {})) if (name !== 'ID') field(terminal, name, value)
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
