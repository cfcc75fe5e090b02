/**
 * Paths below `/http/`, matched as the HTTPS sender of Cloud Integration does: letter case does not matter, a closing
 * `/*` takes everything below, and the longest configured path wins.
 */
export const HTTP_ROOT = '/http/'

interface Branch {
  readonly name: string
  readonly segments: readonly string[]
  readonly open: boolean
}

/** One segment: no slash, no wildcard, nothing that a client or proxy would resolve or encode. */
const SEGMENT = /^[A-Za-z0-9._~-]{1,100}$/

/** Whether a configured path can be reached: `orders`, `erp/orders`, `erp/orders/*`; slashes around it do not count. */
export const isHttpPath = (path: string): boolean => {
  const { segments } = toBranch('', path)
  return segments.length > 0 && segments.every((part) => SEGMENT.test(part) && part !== '.' && part !== '..')
}

/** Two paths that take the same requests are equal here. */
export const canonicalPath = (path: string): string => {
  const { segments, open } = toBranch('', path)
  return [...segments, ...(open ? ['*'] : [])].join('/')
}

/**
 * @param paths configured path by source name
 * @returns which source takes a request's path, undefined where none does
 */
export function httpPaths(paths: ReadonlyMap<string, string>): (path: string) => string | undefined {
  const branches = [...paths]
    .map(([name, path]) => toBranch(name, path))
    // The longest first, and what ends there before what is open below.
    .sort((a, b) => b.segments.length - a.segments.length || Number(a.open) - Number(b.open))
  return (path) => {
    const segments = segmentsOf(path)?.map((part) => part.toLowerCase())
    return segments && branches.find((branch) => takes(branch, segments))?.name
  }
}

/** What stands for the `*`, as the caller wrote it: `4711/items` of `/http/Orders/4711/items` for `orders/*`. */
export function belowPath(configured: string, path: string): string | undefined {
  const { segments, open } = toBranch('', configured)
  const below = open ? segmentsOf(path)?.slice(segments.length).join('/') : undefined
  return below || undefined
}

const takes = ({ segments, open }: Branch, path: readonly string[]): boolean =>
  (open ? path.length >= segments.length : path.length === segments.length) &&
  segments.every((part, index) => path[index] === part)

function toBranch(name: string, path: string): Branch {
  const parts = path.toLowerCase().split('/').filter(Boolean)
  const open = parts.at(-1) === '*'
  return { name, open, segments: open ? parts.slice(0, -1) : parts }
}

/** Decoded segments below `/http/`; undefined for what is elsewhere, malformed, or would mean something else to a proxy. */
function segmentsOf(path: string): readonly string[] | undefined {
  if (!path.startsWith(HTTP_ROOT)) return undefined
  try {
    const segments = path.slice(HTTP_ROOT.length).split('/').filter(Boolean).map(decodeURIComponent)
    return segments.some((part) => part === '.' || part === '..' || /[/\\\0]/.test(part)) ? undefined : segments
  } catch (thrown) {
    if (thrown instanceof URIError) return undefined
    throw thrown
  }
}
