/** An object's version with a fingerprint of its content, because a coarse version can stand for two contents. */
export interface ObjectVersion {
  readonly version: string
  readonly contentHash?: string
}

/** -1, 0, 1 where both are numbers or both RFC 3339 moments; undefined where they cannot be ordered (opaque tags). */
export function compareVersions(a: string, b: string): number | undefined {
  if (a === b) return 0
  if (INTEGER.test(a) && INTEGER.test(b)) return sign(BigInt(a), BigInt(b))
  const [left, right] = [moment(a), moment(b)]
  if (!left || !right) return undefined
  return left.seconds === right.seconds ? sign(left.fraction, right.fraction) : sign(left.seconds, right.seconds)
}

/**
 * Whether `candidate` is already in effect. Equal versions count only with equal content (where both are known): two
 * changes in one second share a timestamp, and the second must not be lost.
 */
export function isAbsorbed(candidate: ObjectVersion, inEffect: ObjectVersion | undefined): boolean {
  if (!inEffect) return false
  const order = compareVersions(candidate.version, inEffect.version)
  if (order === undefined || order > 0) return false
  if (order < 0) return true
  return !candidate.contentHash || !inEffect.contentHash || candidate.contentHash === inEffect.contentHash
}

/** Whether a version is an RFC 3339 moment, and not a number or a tag. */
export const isMoment = (version: string): boolean => moment(version) !== undefined

const INTEGER = /^\d{1,30}$/
const MOMENT = /^(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})(?:\.(\d{1,9}))?(Z|[+-]\d{2}:\d{2})$/

/** S/4 timestamps have seven decimals, which `Date` would cut to three. */
function moment(text: string): { seconds: number; fraction: number } | undefined {
  const match = MOMENT.exec(text)
  if (!match) return undefined
  const seconds = Date.parse(`${match[1]}${match[3]}`)
  return Number.isFinite(seconds) ? { seconds, fraction: Number((match[2] ?? '').padEnd(9, '0')) } : undefined
}

const sign = <T extends number | bigint>(a: T, b: T): number => (a < b ? -1 : a > b ? 1 : 0)
