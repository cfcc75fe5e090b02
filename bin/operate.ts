import { SluiceError } from '#domain/errors'
import { EXIT, usage } from './exit.ts'
import type { GatewayClient } from './gateway/client.ts'
import type { Terminal } from './terminal.ts'
import { plural, safe, toJson } from './text.ts'

/** One thing an operator's action is done to. */
export interface Item {
  /** What the action's path names. */
  readonly id: string
  /** Of a replay for one subscription only. */
  readonly subscription?: string
  /** For people: which event, which subscription. */
  readonly label: string
}

export interface Plan {
  readonly verb: string
  readonly noun: 'event' | 'dispatch'
  readonly items: readonly Item[]
  readonly act: (client: GatewayClient, item: Item) => Promise<unknown>
}

export interface PlanOptions {
  readonly dryRun: boolean
  readonly yes: boolean
  readonly json: boolean
  /** Named one by one: nobody has to be asked. */
  readonly named: boolean
}

/** Faults after which the next item would fare no better. */
const FATAL: readonly string[] = [
  'gateway-unreachable',
  'gateway-refused',
  'gateway-foreign',
  'gateway-failed',
  'interrupted',
]

/** Shows, asks and does. @throws SluiceError `usage` where somebody should be asked and nobody can be */
export async function carryOut(
  plan: Plan,
  client: GatewayClient,
  options: PlanOptions,
  terminal: Terminal,
): Promise<number> {
  const { verb, noun, items } = plan
  const { dryRun, json, named } = options
  const { out, note } = terminal
  if (items.length === 0) {
    note(`Nothing to ${verb}: no ${noun} matches.`)
    return EXIT.ok
  }
  if (dryRun) {
    for (const item of items) {
      out(json ? toJson({ ...keyOf(item), action: verb, dryRun: true }) : `would ${verb} ${describe(item)}`)
    }
    if (!json) out(`${count(items, noun)} would be affected. Nothing was done.`)
    return EXIT.ok
  }
  if (!named && !options.yes && !(await agreed(plan, terminal))) {
    note('Nothing was done.')
    return EXIT.ok
  }
  return run(plan, client, json, terminal)
}

const keyOf = ({ id, subscription }: Item) => ({ id, ...(subscription === undefined ? {} : { subscription }) })

const describe = ({ id, subscription, label }: Item): string =>
  safe([id, subscription && `for ${subscription}`, label].filter(Boolean).join(' '))

const count = (items: readonly Item[], noun: Plan['noun']): string =>
  plural(items.length, noun, noun === 'event' ? 'events' : 'dispatches')

async function agreed({ verb, noun, items }: Plan, terminal: Terminal): Promise<boolean> {
  if (!terminal.interactive)
    throw usage(`This would ${verb} ${count(items, noun)}.`, 'Give --yes, or look first with --dry-run.')
  return /^y(es)?$/i.test((await terminal.ask(`Really ${verb} ${count(items, noun)}? [y/N] `)).trim())
}

async function run(
  { verb, noun, items, act }: Plan,
  client: GatewayClient,
  json: boolean,
  terminal: Terminal,
): Promise<number> {
  const { out, note, paint } = terminal
  let failed = 0
  for (const [index, item] of items.entries()) {
    try {
      const result = await act(client, item)
      out(
        json
          ? toJson({ ...keyOf(item), action: verb, ok: true, ...(result ? { result } : {}) })
          : `${paint('green', verb)} ${describe(item)}`,
      )
    } catch (thrown) {
      if (!(thrown instanceof SluiceError)) throw thrown
      if (FATAL.includes(thrown.code)) {
        if (items.length > 1) note(`Stopped after ${index} of ${count(items, noun)}.`)
        throw thrown
      }
      failed += 1
      const error = { code: thrown.code, message: thrown.message }
      if (json) out(toJson({ ...keyOf(item), action: verb, ok: false, error }))
      else out(`${paint('red', 'failed')} ${describe(item)}: ${thrown.message}`)
    }
    terminal.progress(`${index + 1} of ${items.length}`)
  }
  if (items.length > 1 && !json) out(`${count(items.slice(failed), noun)} done${failed ? `, ${failed} failed` : ''}.`)
  return failed ? EXIT.problem : EXIT.ok
}
