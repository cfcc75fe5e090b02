import type { Flow } from './iflow.ts'
import { type Migration, nameOf, type Open, type Subscription } from './migration.ts'
import { targetOf } from './receiver.ts'
import { senderOf } from './sender.ts'
import { hintFor, isCall } from './steps.ts'

/** @param queue where Event Mesh calls the flow: the queue of that webhook subscription */
export function migrateFlows(flows: readonly Flow[], queue?: string): Migration {
  const sources: Record<string, object> = {}
  const targets: Record<string, object> = {}
  const subscriptions: Record<string, Subscription> = {}
  const open: Open[] = []
  const taken = new Set<string>()

  /** @returns the names of the sources that the flow's senders become */
  function addSources(flow: Flow, add: (step: string, kind: string, hint: string) => void): readonly string[] {
    return flow.senders.flatMap((channel) => {
      const kind = `sender ${channel.adapter}`
      const sender = senderOf(channel, flow, queue)
      if ('hint' in sender) {
        add(channel.system, kind, sender.hint)
        return []
      }
      if (sender.address !== undefined && taken.has(sender.address)) {
        add(
          channel.system,
          kind,
          `Another channel has ${sender.address}: write one handler that does the work of both.`,
        )
        return []
      }
      if (sender.address !== undefined) taken.add(sender.address)
      const name = nameOf(sender.path, 'inbound', sources)
      const { source, todo } = sender.source(name)
      sources[name] = source
      for (const hint of todo) add(channel.system, kind, hint)
      return [name]
    })
  }

  for (const flow of flows) {
    const add = (step: string, kind: string, hint: string) => open.push({ where: flow.name, step, kind, hint })
    const [first, ...others] = addSources(flow, add)
    if (first) {
      const about = [`Flow: ${flow.name}`, ...flow.steps.map(({ name, activity }) => `${activity}: ${name}`)]
      subscriptions[first] = { on: ['*'], sources: [first, ...others], handler: `srv/handlers/${first}`, about }
    }
    for (const channel of flow.receivers) {
      const name = nameOf(channel.system, 'target', targets)
      const { target, todo } = targetOf(name, channel)
      if (target) targets[name] = target
      for (const hint of todo) add(channel.system, `receiver ${channel.adapter}`, hint)
    }
    for (const { name, activity } of flow.steps) {
      if (!isCall(activity)) add(name, activity, hintFor(activity))
    }
  }
  return { from: 'iflow', sources, targets, subscriptions, open }
}
