import { SluiceError } from '#domain/errors'
import type { Key } from '#domain/target'
import { member } from './canonical.ts'
import { tryParseJson } from './json.ts'
import { isMoment } from './moments.ts'

/** How far a read of changes got. */
export interface Position {
  readonly from: string
  /** Only rows before this moment: those of one version, read by key. */
  readonly until?: string
  readonly after?: Key
}

export const writePosition = (position: Position): string => Buffer.from(JSON.stringify(position)).toString('base64url')

/** @throws SluiceError where the text is no position: it may come from a checkpoint of another release */
export function readPosition(text: string): Position {
  const parsed = tryParseJson(Buffer.from(text, 'base64url').toString())
  const [from, until, after] = ['from', 'until', 'after'].map((name) => member(parsed, name))
  if (isMomentText(from) && (until === undefined || isMomentText(until)) && (after === undefined || isKey(after))) {
    return { from, ...(until !== undefined && { until }), ...(after !== undefined && { after }) }
  }
  throw new SluiceError('invalid-position', 'The position in the change feed is unreadable.', {
    retry: 'never',
    remedy: 'Read again from `since`.',
  })
}

const isMomentText = (value: unknown): value is string => typeof value === 'string' && isMoment(value)

const isKey = (value: unknown): value is Key =>
  typeof value === 'object' &&
  value !== null &&
  Object.values(value).every((part) => ['string', 'number', 'boolean'].includes(typeof part))
