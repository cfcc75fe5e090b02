import type { AuthSpec, Source } from '#domain/source'
import { compileField, type Locator } from './fields.ts'
import { misconfigured } from './options.ts'

/** What proves who somebody is stays out of the store, whatever is configured. */
const NEVER = /^(authorization|proxy-authorization|cookie|x-csrf-token|query:access_token)$/
const MAX_KEPT = 50

/**
 * @param auth how callers prove who they are: the header of an API key is a secret too
 * @returns undefined where nothing but the usual headers is kept
 */
export function compileKept(kind: string, names: readonly Locator[] = [], auth: readonly AuthSpec[]): Source['keep'] {
  if (!Array.isArray(names) || names.length > MAX_KEPT) {
    throw misconfigured(kind, 'keep', `is no list of up to ${MAX_KEPT}`, 'Give e.g. ["X-Shop", "query:mode"].')
  }
  const secrets = auth.flatMap((one) => (one.kind === 'api-key' && one.header ? [one.header.toLowerCase()] : []))
  const fields = names.map((name, index) => {
    const option = `keep[${index}]`
    const { read, inBody } = compileField(kind, option, name)
    const own = name.startsWith('query:') ? name : name.toLowerCase()
    if (inBody) throw misconfigured(kind, option, 'points into the body', 'Handlers have it: name headers, query:….')
    if (NEVER.test(own) || secrets.includes(own)) {
      throw misconfigured(kind, option, 'is a secret', 'Name the caller by "auth" instead.')
    }
    return { own, read }
  })
  if (fields.length === 0) return undefined
  return (delivery) =>
    Object.fromEntries(
      fields.flatMap(({ own, read }) => {
        const value = read(delivery, undefined)
        return value === undefined ? [] : [[own, value]]
      }),
    )
}
