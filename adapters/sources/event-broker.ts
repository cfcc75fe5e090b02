import type { Source } from '#domain/source'
import type { SharedParts } from './broker-message.ts'
import { createEventHub, type EventHubOptions } from './event-hub.ts'

/** The former name of Cloud Application Event Hub, which CAP's kind and plug-in still have. */
export const eventBroker = (options: EventHubOptions, shared: SharedParts = {}): Source =>
  createEventHub('event-broker', options, shared)
