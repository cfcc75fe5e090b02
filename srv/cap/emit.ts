import type cds from '@sap/cds'
import { PermanentError, SluiceError } from '#domain/errors'
import type { Handler, HandlerEvent } from '../gateway.ts'

/** What this needs to know of CAP's services; their types leave it out. */
interface EmittingService {
  emit(event: string, data: unknown, headers: Readonly<Record<string, unknown>>): Promise<unknown>
  readonly handlers: { readonly on: readonly { for(message: { event: string }): boolean }[] }
}

/**
 * The handler of a subscription with `service` instead of `handler`: emits events to a CAP service under their type, with
 * their data, and their CloudEvents attributes as headers. `messaging`, or any other messaging service, publishes them.
 * It goes past CAP's event queue: the dispatch is done when the service has taken the event, and not before.
 * @throws SluiceError `configuration` where the app has no such service
 */
export async function emitter(facade: typeof cds, subscription: string, name: string): Promise<Handler> {
  const { unqueued, MessagingService } = facade as unknown as {
    unqueued(service: EmittingService): EmittingService
    MessagingService: { readonly prototype: object }
  }
  const connected = (await connect(facade, subscription, name)) as unknown as EmittingService
  const service = unqueued(connected)
  const publishes = Object.prototype.isPrototypeOf.call(MessagingService.prototype, service)
  return async (event) => {
    // CAP takes an event that nobody handles for handled; here it would count as done.
    if (!publishes && !service.handlers.on.some((handler) => handler.for({ event: event.type }))) {
      throw new PermanentError(
        `The service ${name} has no handler for ${event.type}. Write srv.on('${event.type}', …), then retry.`,
      )
    }
    await service.emit(event.type, event.data, headersOf(event))
  }
}

async function connect(facade: typeof cds, subscription: string, name: string): Promise<unknown> {
  try {
    return await facade.connect.to(name)
  } catch (cause) {
    throw new SluiceError(
      'configuration',
      `sluice.subscriptions.${subscription}.service: there is no service ${name}.`,
      {
        retry: 'never',
        remedy: 'Name one that the app serves or requires, e.g. "messaging" with cds.requires.messaging.',
        cause,
      },
    )
  }
}

/** CloudEvents attributes, as CAP's messaging services take and give them. */
function headersOf(event: HandlerEvent): Record<string, unknown> {
  const { data: _data, dataText: _text, key: _key, origin: _origin, object: _object, ...attributes } = event
  return { ...attributes, specversion: '1.0' }
}
