import { type Registration, readRegistrations } from './cap-handlers.ts'
import { type Messaging, type MessagingService, readMessaging } from './cap-settings.ts'
import { envName, type Migration, nameOf, type Open, PULL_HINT, pulledSource, type Subscription } from './migration.ts'

/**
 * What an app takes by `cds.requires.messaging`, read without running it.
 * @param folder of the app
 */
export function migrateApp(folder: string): Migration {
  const messaging = readMessaging(folder)
  const { services, unread } = messaging
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
    const { source, todo } = sourceOf(name, service, messaging)
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

function sourceOf(
  name: string,
  service: MessagingService,
  { namespace, xsuaa }: Messaging,
): { source: object; todo: readonly string[] } {
  const { kind, subscribePrefix } = service
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
  const written = service.queue?.replace('$namespace', () => namespace ?? '$namespace')
  const queue = written?.includes('$') ? undefined : written
  const todo = [
    ...(queue
      ? []
      : [`Its full name is made by CAP (${written ?? 'none configured'}): set ${envName(name, 'QUEUE').slice(4)}.`]),
    ...(subscribePrefix
      ? [`subscribePrefix (${subscribePrefix}) stays a matter of the queue's topic subscriptions.`]
      : []),
  ]
  if (/amqp|shared/.test(kind)) {
    const inApp = `In the app itself name the bound service instead: "broker": "${service.name}". Remove its messaging.on(…): a queue has one reader.`
    return { source: pulledSource(name, queue), todo: [...todo, PULL_HINT, inApp] }
  }
  const auth = xsuaa
    ? { kind: 'xsuaa', scope: 'emcallback' }
    : { kind: 'basic', users: { mesh: envName(name, 'PASSWORD') } }
  const proof = xsuaa
    ? 'The webhook proves itself by the bound XSUAA, as it does to CAP; where it uses Basic, write that.'
    : 'Written is Basic; where the webhook subscription uses OAuth2 and XSUAA is bound: { "kind": "xsuaa", "scope": "emcallback" }.'
  return { source: { kind: 'event-mesh', queue: queue ?? envName(name, 'QUEUE'), auth }, todo: [...todo, proof] }
}
