import { SluiceError } from '#domain/errors'
import type { Key, TargetRecord } from '#domain/target'
import { isRecordMissing } from './classify.ts'
import { type Dialect, queryOf, type RawRecord } from './dialect.ts'
import { type Entity, elementPath } from './entity.ts'
import type { HttpSession } from './http-session.ts'
import { tryParseJson } from './json.ts'
import type { Answer } from './transport.ts'

export interface Reader {
  /** Undefined where the target says there is no such record; a missing service or route is a fault. */
  read(entity: Entity, key: Key, signal: AbortSignal, expand?: readonly string[]): Promise<TargetRecord | undefined>
  find(entity: Entity, where: Key, top: number, signal: AbortSignal): Promise<readonly TargetRecord[]>
  /** Up to `$top` rows of a collection; `more` when the server has, or may have, further ones. */
  rows(
    entity: Entity,
    query: { $filter?: string; $orderby?: string; $top: number },
    signal: AbortSignal,
  ): Promise<{ rows: readonly RawRecord[]; more: boolean }>
}

/** A server that answers page after page without a row would be read for ever. */
const MAX_EMPTY_PAGES = 100

export function createReader(http: HttpSession, dialect: Dialect): Reader {
  const get = (path: string, signal: AbortSignal): Promise<Answer> =>
    http.read({ method: 'GET', path, headers: dialect.readHeaders, signal })

  async function page(path: string, signal: AbortSignal) {
    const answer = await get(path, signal)
    if (answer.status !== 200) throw http.fault(answer, false)
    return dialect.rows(parseBody(answer))
  }

  /** Follows the server's own paging until `enough` says so or nothing is left. */
  async function collect(entity: Entity, query: string, signal: AbortSignal, enough: (rows: number) => boolean) {
    const rows: RawRecord[] = []
    let path: string | undefined = entity.name + query
    let empty = 0
    do {
      const { rows: more, next } = await page(path, signal)
      rows.push(...more)
      empty = more.length === 0 ? empty + 1 : 0
      if (empty > MAX_EMPTY_PAGES) throw unreadable('The target’s pages do not end.')
      path = next === undefined ? undefined : nextPath(entity.name, next)
    } while (path !== undefined && !enough(rows.length))
    return { rows, rest: path !== undefined }
  }

  return {
    async read(entity, key, signal, expand = []) {
      const answer = await get(entity.path(key) + queryOf({ $expand: expand.map(elementPath).join(',') }), signal)
      if (isRecordMissing(answer)) return undefined
      if (answer.status !== 200) throw http.fault(answer, false)
      const raw = dialect.record(parseBody(answer))
      if (!raw) throw unreadable('The target answered 200 without a record.')
      return entity.record(raw, answer.headers.etag)
    },

    async find(entity, where, top, signal) {
      const query = queryOf({ $filter: entity.filter(where), $top: top })
      const { rows } = await collect(entity, query, signal, (count) => count >= top)
      return rows.slice(0, top).map((raw) => entity.record(raw))
    },

    async rows(entity, query, signal) {
      const { rows, rest } = await collect(entity, queryOf(query), signal, (count) => count > 0)
      return { rows, more: rest || rows.length >= query.$top }
    },
  }
}

/**
 * Where the rest of a collection is. Only the link's query is taken: its host and path may be the internal ones behind
 * a proxy or the Cloud Connector, and an answer must never decide where our credentials go.
 */
export function nextPath(entity: string, link: string): string | undefined {
  const query = /\?([^#]*)/.exec(link)?.[1]
  const parts = query?.split('&').filter((part) => part !== '' && !part.startsWith('sap-client='))
  return parts && parts.length > 0 ? `${entity}?${parts.join('&')}` : undefined
}

function parseBody(answer: Answer): unknown {
  const body = tryParseJson(answer.text)
  if (body === undefined) throw unreadable('The target’s answer is no JSON.')
  return body
}

const unreadable = (message: string): SluiceError =>
  new SluiceError('target-answer-unreadable', message, {
    remedy: 'Does `url` lead to an OData service of this version?',
  })
