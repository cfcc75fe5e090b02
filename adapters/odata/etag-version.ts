import type { RecordState } from './known-records.ts'

/**
 * The version after an update that was answered by an etag only (204, as V2 always does). Most S/4 etags are the change
 * timestamp itself, `W/"datetimeoffset'2024-05-06T07:08:09.1234567Z'"`, but nothing says so: it is believed only where
 * the state before had the same moment in both, to the millisecond that V2's JSON shows.
 */
export function versionAfter(before: RecordState | undefined, etag: string | undefined): string | undefined {
  const [old, next] = [momentIn(before?.etag), momentIn(etag)]
  if (!old || !next || before?.version === undefined) return undefined
  return Date.parse(old) === Date.parse(before.version) ? next : undefined
}

const momentIn = (etag = ''): string | undefined =>
  /\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,12})?(Z|[+-]\d{2}:\d{2})/.exec(decoded(etag))?.[0]

/** Gateway encodes the colons of some etags. */
const decoded = (etag: string): string => etag.replaceAll(/%3a/gi, ':')
