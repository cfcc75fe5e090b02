// biome-ignore lint/suspicious/noTsIgnore: no error here, but in projects without CAP's types
/** @ts-ignore */
import type { Service as CapService } from '@sap/cds'
import cds from '@sap/cds'
import { SluiceError } from '#domain/errors'
import type { EventTypes, Gateway, Handler, Subscription, SubscriptionOptions } from '../gateway.ts'

/** How a subscription behaves; `name` is the event type unless given. */
export interface SluiceOptions extends Omit<SubscriptionOptions, 'name'> {
  readonly name?: string
}

/** What `cds.connect.to('sluice')` returns: `(await cds.connect.to('sluice')) as SluiceService`. */
export type SluiceService = SluiceEvents & KnownService

/** Nothing where CAP's types are not installed: `any` would take ours away too. */
type KnownService = string extends keyof CapService ? unknown : CapService

/** What Sluice adds to a CAP service. */
interface SluiceEvents {
  /**
   * Handles events of a type, of several or, with `'*'`, all; types in `EventTypes` tell what `event.data` is. Until the
   * gateway starts, after all `served` handlers. Without `options.name` the subscription is named as its type.
   */
  on<Type extends keyof EventTypes & string>(
    type: Type | readonly Type[],
    handler: Handler<EventTypes[Type]>,
  ): SluiceService
  on<Type extends keyof EventTypes & string>(
    type: Type | readonly Type[],
    options: SluiceOptions,
    handler: Handler<EventTypes[Type]>,
  ): SluiceService
  on<Data = unknown>(type: string | readonly string[], handler: Handler<Data>): SluiceService
  on<Data = unknown>(type: string | readonly string[], options: SluiceOptions, handler: Handler<Data>): SluiceService
  /** The gateway behind it, once it has started. */
  readonly gateway: Gateway
}

interface SluiceServiceParts {
  readonly configured: boolean
  add(subscription: Subscription): void
  gateway(): Gateway
}

/** The class behind `cds.requires.kinds.sluice`. */
export const sluiceService = ({ configured, add, gateway }: SluiceServiceParts): (new () => object) =>
  class extends cds.Service {
    override async init() {
      if (!configured) throw notConfigured()
      return super.init()
    }

    override on(...parts: unknown[]): this {
      add(toSubscription(parts))
      return this
    }

    override before(): never {
      throw onlyOn('before')
    }

    override after(): never {
      throw onlyOn('after')
    }

    /** Everything that is sent or emitted to a service ends here. */
    handle(request: { event?: string }): never {
      throw onlyOn(request.event ?? 'run')
    }

    get gateway(): Gateway {
      return gateway()
    }
  }

/** `(type, handler)` or `(type, options, handler)`; everything but the name is checked with the configured ones. */
function toSubscription(parts: readonly unknown[]): Subscription {
  const [type, ...rest] = parts
  const handler = rest.pop() as Handler
  const options = (rest[0] ?? {}) as SluiceOptions
  const on = (Array.isArray(type) ? type : [type]) as readonly string[]
  const refuse = (problem: string, remedy: string): never => {
    throw new SluiceError('configuration', `sluice.on(${JSON.stringify(type)}): ${problem}`, { retry: 'never', remedy })
  }
  if (!on.every((each) => typeof each === 'string'))
    refuse('this is no event type.', "Write sluice.on('order.created.v1', async (event, context) => { … }).")
  if (typeof options !== 'object') refuse('its options are no object.', 'Write { name, order, retry, … }.')
  if (typeof handler !== 'function') refuse('it has no handler.', 'Pass async (event, context) => { … } at the end.')
  return { ...options, name: options.name ?? nameOf(on) ?? refuse('it needs a name.', NAME_REMEDY), on, handler }
}

/** A type is as stable as the subscription to it; several have no name of their own. */
function nameOf([type, ...others]: readonly string[]): string | undefined {
  if (type === undefined || others.length > 0) return undefined
  if (type === '*') return 'all'
  return /^[A-Za-z0-9][\w.-]{0,99}$/.test(type) ? type : undefined
}

const NAME_REMEDY = 'The store knows it by a stable name: sluice.on(types, { name: "orders" }, handler).'

const notConfigured = () =>
  new SluiceError('configuration', 'cap-sluice is installed, but cds.requires.sluice is not configured.', {
    retry: 'never',
    remedy: 'Run cds add sluice, or write "sluice": { "sources": { … } } under cds.requires.',
  })

const onlyOn = (what: string) =>
  new SluiceError('not-supported', `sluice has no ${what}: it only hands over what comes in.`, {
    retry: 'never',
    remedy: "Handle events with sluice.on(…); emit events of your own on cds.connect.to('messaging').",
  })
