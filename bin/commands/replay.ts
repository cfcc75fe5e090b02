import { command } from '../command.ts'
import { usage } from '../exit.ts'
import type { GatewayClient } from '../gateway/client.ts'
import { type EventFilters, isAboutDispatches } from '../gateway/filters.ts'
import { isUuid } from '../gateway/odata.ts'
import { matching } from '../matching.ts'
import { carryOut, type Item } from '../operate.ts'
import { confirmOptions, isFiltered } from './confirm-options.ts'
import { filterOptions, gatewayOptions, openGateway, toFilters } from './shared-options.ts'

export const replay = command({
  words: 'replay [events..]',
  about: 'Run stored events again, as new dispatches at the end of their lanes',
  options: (yargs) =>
    confirmOptions(gatewayOptions(filterOptions(yargs)))
      .positional('events', { type: 'string', array: true, describe: 'Keys of events' })
      .example('$0 replay 01a1fd28-5d98-7000-bd22-c05b3a111022', 'One event, for all its subscriptions')
      .example('$0 replay --source stripe --since 2h --dry-run', 'What would run')
      .example('$0 replay --subscription book-payment --state done --since 1d --yes', 'Without a question')
      .epilogue(
        'With --state, --status or --subscription only the dispatches that match run again, else the whole event.',
      ),
  run: async (args, terminal) => {
    const { subscription } = args
    const keys = args.events ?? []
    for (const key of keys)
      if (!isUuid(key)) throw usage(`"${key}" is no key of an event.`, 'Find it by `sluice events --id`.')
    if (keys.length === 0 && !isFiltered(args))
      throw usage('Replay what?', 'Name events, or filter: --state, --type, --source, --since.')
    const client = await openGateway(args, terminal, terminal.interruption())
    const named = keys.map((id) => ({ id, label: '', ...(subscription === undefined ? {} : { subscription }) }))
    const items = named.length > 0 ? named : await matchingItems(client, toFilters(args, Date.now()))
    const act = (_client: GatewayClient, item: Item) =>
      client.act('replay', {
        event: item.id,
        ...(item.subscription === undefined ? {} : { subscription: item.subscription }),
      })
    const noun = items.some((item) => item.subscription !== undefined) ? 'dispatch' : 'event'
    return carryOut({ verb: 'replay', noun, items, act }, client, { ...args, named: named.length > 0 }, terminal)
  },
})

/**
 * A state or a subscription means dispatches: what is done for one subscription must not be done again because it is
 * dead for another. Otherwise, and for what is unrouted, the event as a whole.
 */
async function matchingItems(client: GatewayClient, filters: EventFilters): Promise<Item[]> {
  const whole = !isAboutDispatches(filters)
  const items: Item[] = []
  for await (const { event, dispatches } of matching(client, filters)) {
    const { event: id, origin, type } = event
    const label = `${origin} ${type}`
    if (whole || (dispatches.length === 0 && event.unrouted)) items.push({ id, label })
    else
      for (const subscription of new Set(dispatches.map((each) => each.subscription)))
        items.push({ id, label, subscription })
  }
  return items
}
