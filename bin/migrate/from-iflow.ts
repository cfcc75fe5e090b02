import { canonicalPath, isHttpPath } from '#domain/http-path'
import type { Channel, Flow } from './iflow.ts'
import { envName, type Migration, nameOf, type Open, type Subscription } from './migration.ts'
import { targetOf } from './receiver.ts'
import { hintFor, isCall } from './steps.ts'

const MEGABYTE = 1024 * 1024

/** @param queue where Event Mesh calls the flow: the queue of that webhook subscription */
export function migrateFlows(flows: readonly Flow[], queue?: string): Migration {
  const sources: Record<string, object> = {}
  const targets: Record<string, object> = {}
  const subscriptions: Record<string, Subscription> = {}
  const open: Open[] = []
  const taken = new Set<string>()
  for (const flow of flows) {
    const add = (step: string, kind: string, hint: string) => open.push({ where: flow.name, step, kind, hint })
    const about = [`Flow: ${flow.name}`, ...flow.steps.map(({ name, activity }) => `${activity}: ${name}`)]
    for (const channel of flow.senders) {
      const { adapter, system, settings } = channel
      const path = pathOf(settings.urlPath ?? '')
      if (adapter !== 'HTTPS') {
        add(system, `sender ${adapter}`, senderHint(adapter))
        continue
      }
      if (!isHttpPath(path)) {
        add(system, 'sender HTTPS', `Its address "${settings.urlPath ?? ''}" is no path: write the source by hand.`)
        continue
      }
      const address = queue ?? canonicalPath(path)
      if (taken.has(address)) {
        add(system, 'sender HTTPS', `Another flow here has ${address}: write one handler that does the work of both.`)
        continue
      }
      taken.add(address)
      const name = nameOf(path, 'inbound', sources)
      const { auth, hints } = callersOf(name, channel)
      for (const hint of hints) add(system, 'sender HTTPS', hint)
      sources[name] = queue === undefined ? httpSource(path, auth, settings) : { kind: 'event-mesh', queue, auth }
      subscriptions[name] = { on: ['*'], sources: [name], handler: `srv/handlers/${name}`, about }
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

/** The address of the channel is below `/http`; some write that too. */
const pathOf = (urlPath: string): string => urlPath.trim().replace(/^\/*http(?=\/)/i, '')

function httpSource(path: string, auth: object, settings: Channel['settings']): object {
  const megabytes = Number(settings.maximumBodySize)
  return {
    kind: 'http',
    path: canonicalPath(path),
    auth,
    // On unless the channel says otherwise, here as there.
    ...(/^(0|false)$/.test(settings.xsrfProtection ?? '') ? { csrf: false } : {}),
    ...(Number.isInteger(megabytes) && megabytes > 0 ? { maxBytes: megabytes * MEGABYTE } : {}),
  }
}

function callersOf(name: string, { settings }: Channel): { auth: object; hints: readonly string[] } {
  const { senderAuthType = '', userRole = '' } = settings
  if (/certificate/i.test(senderAuthType)) {
    const auth = {
      kind: 'certificate',
      from: 'cloud-foundry',
      subject: envName(name, 'SUBJECT'),
      issuer: envName(name, 'ISSUER'),
    }
    return { auth, hints: ['Set subject and issuer of the client certificate, as in the channel.'] }
  }
  const auth = { kind: 'basic', users: { caller: envName(name, 'PASSWORD') } }
  const role = userRole && userRole !== 'ESBMessaging.send' ? ` with the role ${userRole}` : ''
  const known = senderAuthType === '' || /^RoleBased$/i.test(senderAuthType)
  const was = known ? `The flow takes whom the tenant knows${role}` : `The flow's authentication is ${senderAuthType}`
  return {
    auth,
    hints: [
      `${was}; written is Basic for the one user "caller". Name your callers, or use xsuaa, oidc or certificate.`,
    ],
  }
}

function senderHint(adapter: string): string {
  if (/AMQP|EventMesh|AdvancedEventMesh/i.test(adapter)) {
    return 'Write a source of kind event-mesh (webhook or pull) or advanced-event-mesh for its queue.'
  }
  if (/SOAP|IDoc|XI/i.test(adapter)) return 'Let the caller post to a source of kind http: any body is taken as it is.'
  if (/OData/i.test(adapter)) return 'Serve OData with CAP itself.'
  if (adapter === 'ProcessDirect') return 'Called by another flow: make it a function that handlers share.'
  return 'Nothing here fetches in this way: a job of your own may post to a source of kind http.'
}
