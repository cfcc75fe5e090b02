import type { Target } from '#domain/target'
import { readChanges } from './change-feed.ts'
import { checkOptions } from './check-options.ts'
import { dialectV2 } from './dialect-v2.ts'
import { dialectV4 } from './dialect-v4.ts'
import { entitiesOf } from './entity.ts'
import { httpSession } from './http-session.ts'
import { knownRecords } from './known-records.ts'
import { DEFAULTS, type ODataTargetAt, type ODataTargetOptions } from './options.ts'
import { createReader } from './reader.ts'
import { openSession } from './session.ts'
import { serviceShape } from './shape.ts'
import { createWriter } from './writer.ts'

export type { EdmType } from './edm.ts'
export type { ODataAuth, ODataEntitySpec, ODataTargetAt, ODataTargetOptions } from './options.ts'

/**
 * An OData V2 or V4 service as a target, as SAP S/4HANA and SAP Gateway offer them: CSRF tokens bound to cookies,
 * `If-Match`, locks, lost answers. Each write has one effect per dispatch; see `createOnce` and `updateGuarded`.
 * @throws SluiceError `configuration` with the setting and the remedy
 */
export function odataTarget(options: ODataTargetOptions | ODataTargetAt): Target {
  checkOptions(options)
  const { settleMs = DEFAULTS.settleMs, repeatability = true } = options
  const dialect = options.version === 'v2' ? dialectV2 : dialectV4
  const http = httpSession(options)
  const entity = entitiesOf(options.entities, dialect)
  const shape = serviceShape(http, options.entities)
  const known = knownRecords()
  const reader = createReader(http, dialect)
  const writer = createWriter({ http, dialect, known, repeatability })
  return {
    kind: dialect.kind,
    entities: options.entities,
    session: (scope) => openSession({ entity, reader, writer, known, settleMs }, scope),
    async fetch(name, key, signal) {
      const record = await shape.explain(name, signal, () => reader.read(entity(name), key, signal))
      if (record) writer.learn(entity(name), record)
      return record
    },
    check: shape.check,
    changes: (request) => readChanges(entity(request.entity), reader, request),
    async close() {
      http.close()
    },
  }
}
