import type { Alias } from './source.ts'

/** Below these lie the paths that CAP apps register with brokers; nothing else of ours does. */
const ROOTS = ['/messaging/', '/-/']

/** Whether a URL may be one that a CAP app registered: whether some source has it is another question. */
export const isBelowAliasRoot = (url: string): boolean => ROOTS.some((root) => url.startsWith(root))

/** One text for all spellings that Express takes for the same: case and a closing slash do not count. */
export const aliasName = ({ path, queue = '' }: Alias): string =>
  `${path.toLowerCase().replace(/\/$/, '')}?q=${encodeURIComponent(queue)}`

/**
 * Who takes over a URL: a source for this path and exactly this queue, or one for the path whatever its query.
 * @param takers names of sources by `aliasName`
 */
export function takerOf(path: string, query: string, takers: ReadonlyMap<string, string>): string | undefined {
  const [queue, second] = new URLSearchParams(query).getAll('q')
  const named = queue && second === undefined ? takers.get(aliasName({ path, queue })) : undefined
  return named ?? takers.get(aliasName({ path }))
}
