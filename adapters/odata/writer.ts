import { toFault } from '#domain/errors'
import type { Key, TargetRecord, WriteOutcome, WriteResult, WriteScope } from '#domain/target'
import { isConflict, isRecordMissing } from './classify.ts'
import type { Data, Dialect } from './dialect.ts'
import type { Entity } from './entity.ts'
import { versionAfter } from './etag-version.ts'
import type { Call, HttpSession } from './http-session.ts'
import { tryParseJson } from './json.ts'
import { type KnownRecords, type RecordState, stateOf } from './known-records.ts'
import { successMessages } from './messages.ts'
import type { Answer } from './transport.ts'

/** Sends single writes; whether they may be sent is decided before. */
export interface Writer {
  create(entity: Entity, data: Data, step: string, scope: WriteScope): Promise<WriteResult>
  /** `conflict`: the record is no longer as `state` says. `missing`: there is none. Nothing was changed then. */
  update(
    entity: Entity,
    key: Key,
    data: Data,
    state: RecordState,
    step: string,
    scope: WriteScope,
  ): Promise<WriteResult | 'conflict' | 'missing'>
  /** Keeps what a record looked like, so that its next update needs no read. */
  learn(entity: Entity, record: TargetRecord): void
}

export interface WriterParts {
  readonly http: HttpSession
  readonly dialect: Dialect
  readonly known: KnownRecords
  /** Whether to send SAP Gateway's `RequestID`. */
  readonly repeatability: boolean
}

export function createWriter({ http, dialect, known, repeatability }: WriterParts): Writer {
  /** Old gateways know no PATCH (405, 501) but the tunneled MERGE; found out once. */
  let tunnel = false

  function send(method: string, path: string, body: string, step: string, scope: WriteScope, etag?: string) {
    const headers = {
      ...dialect.writeHeaders,
      ...(repeatability && dialect.kind === 'odata-v2' && repeatabilityHeaders(step, scope)),
      ...(etag && { 'if-match': etag }),
      ...(method === 'MERGE' && { 'x-http-method': 'MERGE' }),
    }
    const call = { method: method === 'MERGE' ? 'POST' : method, path, headers, body, signal: scope.signal }
    return refusable(scope, call)
  }

  /** A definite refusal leaves nothing behind, also where a stale CSRF token or password was refused before it. */
  async function refusable(scope: WriteScope, call: Call): Promise<Answer> {
    const takeBack: (() => void)[] = []
    const refused = () => {
      for (const forget of takeBack) forget()
    }
    try {
      const answer = await http.write(call, () => {
        scope.guard()
        takeBack.push(scope.sent())
      })
      if (answer.status >= 300 && http.fault(answer, true).effect === 'none') refused()
      return answer
    } catch (thrown) {
      if (toFault(thrown).effect === 'none') refused()
      throw thrown
    }
  }

  function learn(entity: Entity, record: TargetRecord): void {
    const key = entity.keyOf(record.data)
    if (key) known.learn(entity.name, entity.keyText(key), stateOf(entity.spec, record))
  }

  /** Remembers the new state, tells the scope our own version, and makes the result. */
  function settle(
    outcome: WriteOutcome,
    entity: Entity,
    answer: Answer,
    scope: WriteScope,
    before?: Before,
  ): WriteResult {
    const record = recordOf(entity, answer)
    const key = (record && entity.keyOf(record.data)) ?? before?.key
    const etag = record?.etag ?? answer.headers.etag
    const version = record?.version ?? versionAfter(before?.state, etag)
    const seen = { data: before?.data ?? {}, ...record, ...(etag && { etag }), ...(version && { version }) }
    const guard = before?.state.guard
    const state = { ...(guard !== undefined && { guard }), ...stateOf(entity.spec, seen) }
    if (key) known.learn(entity.name, entity.keyText(key), state)
    if (entity.spec.object !== undefined && key && version !== undefined) {
      const over = before?.state.version
      scope.wrote({ type: entity.spec.object, key: entity.keyText(key), version, ...(over !== undefined && { over }) })
    }
    const messages = successMessages(answer.headers[dialect.messagesHeader])
    return { outcome, ...(key && { key }), ...(record && { record }), ...(messages && { messages }) }
  }

  /** The write has succeeded whatever its body is; an unreadable one only tells us less. */
  function recordOf(entity: Entity, answer: Answer): TargetRecord | undefined {
    if (answer.status === 204 || answer.text.trim() === '') return undefined
    const raw = dialect.record(tryParseJson(answer.text))
    return raw && entity.record(raw, answer.headers.etag)
  }

  return {
    learn,

    async create(entity, data, step, scope) {
      const answer = await send('POST', entity.name, dialect.payload(data, entity.spec.types ?? {}), step, scope)
      if (answer.status >= 300) throw http.fault(answer, true)
      return settle('created', entity, answer, scope)
    },

    async update(entity, key, data, state, step, scope) {
      const body = dialect.payload(data, entity.spec.types ?? {})
      const patch = (method: string) => send(method, entity.path(key), body, step, scope, state.etag)
      let answer = await patch(tunnel ? 'MERGE' : 'PATCH')
      if (!tunnel && dialect.kind === 'odata-v2' && (answer.status === 405 || answer.status === 501)) {
        answer = await patch('MERGE')
        tunnel = answer.status < 300
      }
      if (answer.status < 300) return settle('updated', entity, answer, scope, { key, data, state })
      known.forget(entity.name, entity.keyText(key))
      if (isConflict(answer)) return 'conflict'
      if (isRecordMissing(answer)) return 'missing'
      throw http.fault(answer, true)
    },
  }
}

interface Before {
  readonly key: Key
  readonly data: Data
  readonly state: RecordState
}

/** https://help.sap.com/doc/saphelp_gateway20sp12/2.0/en-US/67/8b5dcd6a5c41789b27b46eb34a6a86/content.htm */
const repeatabilityHeaders = (step: string, scope: WriteScope) => ({
  requestid: scope.requestId(step).replaceAll('-', '').toUpperCase(),
  repeatabilitycreation: (scope.lastSentAt ?? scope.now()).toISOString().slice(0, 19),
})
