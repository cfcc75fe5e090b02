import { safe } from '../text.ts'

/** What becomes of what was read. */
export interface Migration {
  readonly from: 'iflow' | 'cap'
  readonly sources: Readonly<Record<string, object>>
  readonly targets: Readonly<Record<string, object>>
  readonly subscriptions: Readonly<Record<string, Subscription>>
  /** What cannot be written: it needs somebody who knows the business. */
  readonly open: readonly Open[]
}

export interface Subscription {
  readonly on: readonly string[]
  readonly sources: readonly string[]
  readonly handler: string
  /** What the handler is for, line by line; goes into its file. */
  readonly about: readonly string[]
}

export interface Open {
  /** The flow, or the file with its line. */
  readonly where: string
  readonly step: string
  readonly kind: string
  readonly hint: string
}

/** The words that make a name of a source or target, which is also part of a path and of a file's name. */
export function nameOf(text: string, fallback: string, taken: Readonly<Record<string, unknown>> = {}): string {
  const name =
    text
      .toLowerCase()
      .replaceAll(/[^a-z0-9]+/g, '-')
      .replaceAll(/^-+|-+$/g, '')
      .slice(0, MAX_NAME) || fallback
  for (let n = 1; ; n++) {
    const free = n === 1 ? name : `${name}-${n}`
    if (!Object.hasOwn(taken, free)) return free
  }
}

const MAX_NAME = 60

/** `env:ERP_ORDERS_PASSWORD`: where a secret, or what only the landscape knows, will be. */
export const envName = (name: string, what: string): string =>
  `env:${name.replaceAll(/[^A-Za-z0-9]+/g, '_').toUpperCase()}_${what}`

/** AMQP is also how other brokers are reached; theirs are somebody else's addresses. */
export const isEventMesh = ({ host = '', system = '' }: Readonly<Record<string, string>>): boolean =>
  /enterprise-messaging|event-?mesh|\.hana\.ondemand\.com$/i.test(`${host} ${system}`) || /^(\{\{.*\}\})?$/.test(host)

/** A message client of Event Mesh, by REST. */
export const meshBroker = (name: string): object => ({
  url: envName(name, 'URL'),
  tokenUrl: envName(name, 'TOKEN_URL'),
  clientId: envName(name, 'CLIENT_ID'),
  clientSecret: envName(name, 'CLIENT_SECRET'),
})

/** A queue that was read by AMQP: Sluice pulls it. */
export const pulledSource = (name: string, queue: string | undefined): object => ({
  kind: 'event-mesh',
  queue: queue ?? envName(name, 'QUEUE'),
  consume: 'pull',
  broker: meshBroker(name),
})

export const PULL_HINT =
  'It was read by AMQP; here it is pulled by REST: the values are in the service key, "messaging" with "httprest".'

/** The variables that a configuration asks for. */
export function variablesIn(config: unknown): readonly string[] {
  const found = JSON.stringify(config).matchAll(/"env:([A-Za-z_][A-Za-z0-9_]*)"/g)
  return [...new Set([...found].map(([, name]) => name ?? ''))].sort()
}

/** Somebody else's words on one line of ours: they must not end a comment, a cell of a table or a code span. */
export const quote = (text: string): string =>
  safe(text)
    .replaceAll(/[`|<>\\]/g, "'")
    .slice(0, MAX_QUOTE)

const MAX_QUOTE = 200
