import type { RecordState } from './known-records.ts'

/**
 * The version after an update that was answered by an etag only (204, as V2 always does). Most S/4 etags are the change
 * timestamp itself, `W/"datetimeoffset'2024-05-06T07:08:09.1234567Z'"`, but nothing says so: it is believed only where
 * the state before had the same moment in both. V2's JSON shows milliseconds, and our own write is known again only
 * where its version is cut to them too.
 */
export function versionAfter(before: RecordState | undefined, etag: string | undefined): string | undefined {
  const [old, next] = [momentIn(before?.etag), momentIn(etag)]
  if (!old || !next || before?.version === undefined) return undefined
  if (Date.parse(old) !== Date.parse(before.version)) return undefined
  return /\.\d{3}\D/.test(before.version) ? next.replace(/(\.\d{3})\d+/, '$1') : next
}

const momentIn = (etag = ''): string | undefined =>
  /\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,12})?(Z|[+-]\d{2}:\d{2})/.exec(decoded(etag))?.[0]

/** Gateway encodes the colons of some etags. */
const decoded = (etag: string): string => etag.replaceAll(/%3a/gi, ':')
