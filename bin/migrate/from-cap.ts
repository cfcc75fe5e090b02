import { type Registration, readRegistrations } from './cap-handlers.ts'
import { type MessagingService, readMessaging } from './cap-settings.ts'
import { envName, type Migration, nameOf, type Open, type Subscription } from './migration.ts'

/**
 * What an app takes by `cds.requires.messaging`, read without running it.
 * @param folder of the app
 */
export function migrateApp(folder: string): Migration {
  const { services, unread } = readMessaging(folder)
  const registrations = readRegistrations(
    folder,
    services.map(({ name }) => name),
  )
  const sources: Record<string, object> = {}
  const subscriptions: Record<string, Subscription> = {}
  const open: Open[] = unread.map((file) => ({
    where: file,
    step: 'cds.requires',
    kind: 'configuration',
    hint: 'This file was not read: write its messaging into package.json or .cdsrc.json and run this again.',
  }))
  for (const service of services) {
    const name = nameOf(service.name, 'mesh', sources)
    const { source, todo } = sourceOf(name, service)
    sources[name] = source
    for (const hint of todo)
      open.push({ where: `cds.requires.${service.name}`, step: 'queue', kind: service.kind, hint })
    for (const found of registrations.filter((each) => each.service === service.name)) {
      const pattern = found.topic === undefined ? undefined : patternOf(found.topic)
      if (pattern === undefined) open.push(unclear(found))
      else addHandler(subscriptions, name, pattern, found)
    }
  }
  return { from: 'cap', sources, targets: {}, subscriptions, open }
}

/** Handlers of one topic in several places are one subscription each: all of them ran. */
function addHandler(
  subscriptions: Record<string, Subscription>,
  source: string,
  pattern: string,
  { topic, where }: Registration,
): void {
  const name = nameOf(pattern.split('.').slice(-3).join('-'), 'events', subscriptions)
  const about = [`From ${where}: on('${topic}')`]
  subscriptions[name] = { on: [pattern], sources: [source], handler: `srv/handlers/${name}`, about }
}

const unclear = ({ where, topic }: Registration): Open => ({
  where,
  step: `on(${topic ?? '…'})`,
  kind: 'handler',
  hint: 'Its topic is no literal, or has a wildcard before its end: write the subscription by hand.',
})

/**
 * A topic as the type that its events get here: what follows `/ce/`, with dots. A wildcard may only end it.
 * @returns undefined where it cannot be said
 */
function patternOf(topic: string): string | undefined {
  const event = topic.split('/ce/').at(-1) ?? topic
  const type = event.replaceAll('/', '.').replace(/^topic:/, '')
  return /^[^+*#$\s]+\*?$|^\*$/.test(type) ? type : undefined
}

function sourceOf(name: string, service: MessagingService): { source: object; todo: readonly string[] } {
  const { kind, queue, subscribePrefix } = service
  if (kind.startsWith('event-broker')) {
    const auth = {
      kind: 'ias',
      issuer: envName(name, 'ISSUER'),
      audience: envName(name, 'AUDIENCE'),
      clientId: envName(name, 'CLIENT_ID'),
    }
    const hint = 'Set issuer and audience from the identity binding, the client id from the Event Hub binding (ias).'
    return { source: { kind: 'event-hub', auth }, todo: [hint] }
  }
  const literal = queue !== undefined && !queue.includes('$')
  const todo = [
    ...(literal
      ? []
      : [`Its full name is made by CAP (${queue ?? 'none configured'}): set ${envName(name, 'QUEUE').slice(4)}.`]),
    'Written is Basic; where the webhook subscription uses OAuth2 and XSUAA is bound: { "kind": "xsuaa", "scope": "emcallback" }.',
    ...(subscribePrefix
      ? [`subscribePrefix (${subscribePrefix}) stays a matter of the queue's topic subscriptions.`]
      : []),
    ...(/amqp|shared/.test(kind)
      ? [`${kind} may consume by AMQP: add a webhook subscription to the queue, or pull.`]
      : []),
  ]
  const auth = { kind: 'basic', users: { mesh: envName(name, 'PASSWORD') } }
  return { source: { kind: 'event-mesh', queue: literal ? queue : envName(name, 'QUEUE'), auth }, todo }
}
