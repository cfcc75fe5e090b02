import { SluiceError } from '#domain/errors'
import type { Publishable, PublishOptions, Target, TargetSession, WriteScope } from '#domain/target'
import { toStructured } from './cloud-event.ts'
import { type MeshConnection, misconfigured } from './connection.ts'
import { createRest, type MeshRest, type RestOptions, segment } from './rest.ts'
import { CONVENTIONAL_PREFIX, conventionalTopic, toTopic } from './topic.ts'

/** Where events are published, and under which topics. */
export interface PublishTargetOptions extends RestOptions {
  readonly connection: MeshConnection
  /** `source` of what is published; `/<namespace>`, as CAP's `format: cloudevents` has it. */
  readonly source?: string
  /** Before the type, where a publish names no topic; `$namespace/ce/`. */
  readonly publishPrefix?: string
}

/**
 * An Event Mesh as a target: events go out as structured CloudEvents, at least once. A try that is repeated carries the
 * same `id`, so that receivers recognize it.
 * @throws SluiceError `configuration`
 */
export function eventMeshTarget(options: PublishTargetOptions): Target {
  const { connection, publishPrefix = CONVENTIONAL_PREFIX } = options
  const { namespace } = connection
  const source = options.source ?? (namespace ? `/${namespace}` : undefined)
  if (!source) throw misconfigured('the target has no source.', 'Set "source", or "namespace" of the broker.')
  if (publishPrefix.includes('$namespace') && !namespace) {
    throw misconfigured('publishPrefix needs a namespace.', 'Set "namespace" of the broker, or a prefix without it.')
  }
  toTopic(`${publishPrefix}x`, namespace)
  const rest = createRest(connection, options)
  const topicOf = ({ type }: Publishable, { topic }: PublishOptions) =>
    toTopic(topic ?? conventionalTopic(type, publishPrefix), namespace)

  return {
    kind: 'event-mesh',
    entities: {},
    session: (scope) => ({
      ...NO_RECORDS,
      async publish(event, given = {}) {
        const id = given.id ?? event.key ?? event.id ?? scope.requestId(given.step ?? 'publish')
        const body = toStructured(event, { id, source, time: scope.now().toISOString() })
        await send(rest, scope, topicOf(event, given), body)
        return { id }
      },
    }),
    fetch: () => noRecords(),
    // What goes out as it came has the inbox's key for its id.
    sentFrom: (event) => (event.source === source && KEY.test(event.id) ? event.id : undefined),
    async close() {
      rest.close()
    },
  }
}

/** UUID v7. */
const KEY = /^[\da-f]{8}-[\da-f]{4}-7[\da-f]{3}-[\da-f]{4}-[\da-f]{12}$/

async function send(rest: MeshRest, scope: WriteScope, topic: string, body: string): Promise<void> {
  scope.guard()
  const refused = scope.sent()
  try {
    await rest.messaging({
      method: 'POST',
      path: `/topics/${segment(topic)}/messages`,
      what: `an event for topic ${topic}`,
      headers: { 'content-type': 'application/cloudevents+json', 'x-qos': '1' },
      body,
      signal: scope.signal,
    })
  } catch (thrown) {
    if (thrown instanceof SluiceError && thrown.effect === 'none') refused()
    throw thrown
  }
}

const noRecords = async (): Promise<never> => {
  throw new SluiceError('configuration', 'An Event Mesh has no records.', {
    retry: 'never',
    remedy: 'Use publish, or another target.',
  })
}

const NO_RECORDS: Omit<TargetSession, 'publish'> = {
  read: noRecords,
  find: noRecords,
  create: noRecords,
  update: noRecords,
  upsert: noRecords,
}
