import { command } from '../command.ts'
import { describeDispatch } from '../describe.ts'
import { usage } from '../exit.ts'
import type { GatewayClient } from '../gateway/client.ts'
import type { EventFilters } from '../gateway/filters.ts'
import { keyPath } from '../gateway/odata.ts'
import { matching } from '../matching.ts'
import { carryOut, type Item } from '../operate.ts'
import { confirmOptions, isFiltered } from './confirm-options.ts'
import { filterOptions, gatewayOptions, openGateway, toFilters } from './shared-options.ts'

/** `retry` and `discard`: the same words for one dispatch, or for all that match. */
function settle(verb: 'retry' | 'discard', about: string, states: readonly string[]) {
  return command({
    words: `${verb} [dispatches..]`,
    about,
    options: (yargs) =>
      confirmOptions(gatewayOptions(filterOptions(yargs)))
        .positional('dispatches', {
          type: 'string',
          array: true,
          describe: '<event>:<subscription>:<run>, as `show` has it',
        })
        .example(`$0 ${verb} 01a1fd28-5d98-7000-bd22-c05b3a111022:orders:1`, 'One dispatch')
        .example(`$0 ${verb} --state dead --subscription orders --dry-run`, 'What would be affected')
        .epilogue('A filter without --state or --status means dead and unsure.'),
    run: async (args, terminal) => {
      const dispatches = args.dispatches ?? []
      const named = dispatches.length > 0
      if (!named && !isFiltered(args)) {
        throw usage(
          `${verb[0]?.toUpperCase()}${verb.slice(1)} what?`,
          'Name dispatches, or filter: --state, --subscription, --source, --since.',
        )
      }
      const client = await openGateway(args, terminal, terminal.interruption())
      const filters = toFilters(args, Date.now())
      const items = named
        ? dispatches.map((id) => ({ id, label: '' }))
        : await matchingItems(
            client,
            filters.state || filters.status ? filters : { ...filters, state: ['dead', 'unsure'] },
            states,
          )
      const act = (_client: GatewayClient, { id }: Item) =>
        client.act(`${keyPath('Dispatches', id)}/CockpitService.${verb}`)
      return carryOut({ verb, noun: 'dispatch', items, act }, client, { ...args, named }, terminal)
    },
  })
}

async function matchingItems(client: GatewayClient, filters: EventFilters, states: readonly string[]): Promise<Item[]> {
  const items: Item[] = []
  for await (const { event, dispatches } of matching(client, filters)) {
    for (const dispatch of dispatches.filter(({ status }) => states.includes(status))) {
      items.push({ id: dispatch.ID, label: `${event.origin} ${event.type} ${describeDispatch(dispatch)}` })
    }
  }
  return items
}

export const retry = settle('retry', 'Give dead or unsure dispatches new attempts', ['dead', 'unsure'])

export const discard = settle('discard', 'Never do these dispatches', ['waiting', 'dead', 'unsure'])
