import { aliasName, isBelowAliasRoot, takerOf } from '#domain/alias'
import { HTTP_ROOT, httpPaths } from '#domain/http-path'
import type { Source } from '#domain/source'

/**
 * The name of the source that an address leads to, empty where none: below `/http/` by the longest configured path, below
 * the roots of aliases by path and queue, elsewhere by the last segment of the path.
 * @returns a function of path and query
 */
export function sourceFinder(sources: Readonly<Record<string, Source>>): (url: string) => string {
  const paths = new Map(
    Object.entries(sources).flatMap(([name, { path }]) => (path === undefined ? [] : [[name, path]])),
  )
  const byPath = httpPaths(paths)
  const takers = new Map(
    Object.entries(sources).flatMap(([name, { aliases = [] }]) => aliases.map((alias) => [aliasName(alias), name])),
  )
  return (url) => {
    const [path, query] = splitUrl(url)
    if (path.startsWith(HTTP_ROOT)) return byPath(path) ?? ''
    if (isBelowAliasRoot(path)) return takerOf(path, query, takers) ?? ''
    const name = lastSegment(path)
    return paths.has(name) ? '' : name
  }
}

export function splitUrl(url: string): [path: string, query: string] {
  const at = url.indexOf('?')
  return at < 0 ? [url, ''] : [url.slice(0, at), url.slice(at + 1)]
}

function lastSegment(path: string): string {
  let end = path.length
  while (path[end - 1] === '/') end -= 1
  const segment = path.slice(path.lastIndexOf('/', end - 1) + 1, end)
  if (!segment.includes('%')) return segment
  try {
    return decodeURIComponent(segment)
  } catch (malformed) {
    if (malformed instanceof URIError) return ''
    throw malformed
  }
}
