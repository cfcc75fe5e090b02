import type { EntitySpec, Key, Target, TargetRecord, TargetSession, WriteScope } from '#domain/target'

export interface FakeWrite {
  readonly dispatch: string
  readonly run: number
  readonly firstTry: boolean
  readonly requestId: string
  readonly data: unknown
}

/** An ERP that keeps a list of writes and the records a test puts there. Obeys the scope as every adapter must. */
export function fakeTarget(
  entities: Readonly<Record<string, EntitySpec>> = { Orders: { key: ['ID'], object: 'Order' } },
) {
  const writes: FakeWrite[] = []
  const scopes: WriteScope[] = []
  const records = new Map<string, TargetRecord>()
  /** Called between `sent` and the effect, where a test may hold or break the write. */
  let onSend: () => Promise<void> = async () => {}

  const find = (key: Key) => records.get(Object.values(key).join('/'))

  function session(scope: WriteScope): TargetSession {
    scopes.push(scope)
    const write = async (data: unknown, step = '') => {
      scope.guard()
      scope.sent()
      await onSend()
      const { dispatch, run, firstTry } = scope
      writes.push({ dispatch, run, firstTry, requestId: scope.requestId(step), data })
      return { outcome: 'created' as const }
    }
    return {
      read: async (_entity, key) => find(key),
      find: async (_entity, where) => [find(where)].filter((record) => record !== undefined),
      create: (_entity, data, { step }) => write(data, step),
      // Its etags are its versions.
      update: async (entity, key, data, { step, version, etag: over } = {}) => {
        const result = await write(data, step)
        const type = entities[entity]?.object ?? entity
        const written = { type, key: Object.values(key).join('/'), ...(over !== undefined && { over }) }
        if (version) scope.wrote({ ...written, version })
        return result
      },
      upsert: (_entity, _by, data, { step } = {}) => write(data, step),
    }
  }

  const target: Target = {
    kind: 'fake',
    entities,
    session,
    fetch: async (_entity, key) => find(key),
  }
  return {
    target,
    writes,
    scopes,
    records,
    hold(during: () => Promise<void>) {
      onSend = during
    },
  }
}
