import { type Attributes, SpanKind } from '@opentelemetry/api'
import type { Target, TargetSession } from '#domain/target'
import { currentSdk, spanned } from './spans.ts'

/** The same target, with a client's span around every call: its name, the entity and what came of it, never a key. */
export function tracedTarget(name: string, target: Target): Target {
  function call<T>(operation: string, entity: string, run: () => Promise<T>): Promise<T> {
    const sdk = currentSdk()
    if (!sdk) return run()
    const attributes: Attributes = {
      'sluice.target.name': name,
      'sluice.target.kind': target.kind,
      'sluice.target.entity': entity,
    }
    const plan = { name: `${operation} ${name}/${entity}`, kind: SpanKind.CLIENT, attributes }
    return spanned(sdk, plan, async (span) => {
      const result = await run()
      const outcome = (result as { outcome?: unknown } | undefined)?.outcome
      if (typeof outcome === 'string') span.setAttribute('sluice.write.outcome', outcome)
      return result
    })
  }

  const session = (inner: TargetSession): TargetSession => ({
    read: (entity, ...rest) => call('read', entity, () => inner.read(entity, ...rest)),
    find: (entity, ...rest) => call('find', entity, () => inner.find(entity, ...rest)),
    create: (entity, ...rest) => call('create', entity, () => inner.create(entity, ...rest)),
    update: (entity, ...rest) => call('update', entity, () => inner.update(entity, ...rest)),
    upsert: (entity, ...rest) => call('upsert', entity, () => inner.upsert(entity, ...rest)),
    ...(inner.publish && {
      publish: (event, ...rest) => call('publish', event.type, async () => inner.publish?.(event, ...rest) as never),
    }),
  })

  return {
    kind: target.kind,
    entities: target.entities,
    session: (scope) => (currentSdk() ? session(target.session(scope)) : target.session(scope)),
    fetch: (entity, ...rest) => call('fetch', entity, () => target.fetch(entity, ...rest)),
    ...(target.changes && {
      changes: (request) => call('changes', request.entity, async () => target.changes?.(request) as never),
    }),
    ...(target.sentFrom && { sentFrom: (event) => target.sentFrom?.(event) }),
    ...(target.check && { check: async (...asked) => target.check?.(...asked) }),
    ...(target.close && { close: async () => target.close?.() }),
  }
}
