import { SluiceError } from '#domain/errors'
import type { HttpSession } from './http-session.ts'
import { findMismatches, type Metadata, mismatch, readMetadata } from './metadata.ts'
import type { ODataEntitySpec } from './options.ts'

/** Whether the configured entities are the service's. Asked at start, and where a read finds nothing. */
export interface Shape {
  /** @throws SluiceError `entity-mismatch`; another where the service cannot be asked now */
  check(names: readonly string[], signal: AbortSignal): Promise<void>
  /** A read that finds nothing, or that the service does not understand, may stem from a wrong entity: then says so. */
  explain<T>(name: string, signal: AbortSignal, read: () => Promise<T | undefined>): Promise<T | undefined>
}

export function serviceShape(http: HttpSession, entities: Readonly<Record<string, ODataEntitySpec>>): Shape {
  const verified = new Set<string>()
  let metadata: Metadata | undefined

  async function check(names: readonly string[], signal: AbortSignal): Promise<void> {
    const unknown = names.filter((name) => !verified.has(name))
    if (unknown.length === 0) return
    metadata ??= await readMetadata(http, signal)
    const problems: string[] = []
    for (const name of unknown) {
      const spec = entities[name]
      const found = spec ? findMismatches(name, spec, metadata) : []
      if (found.length === 0) verified.add(name)
      problems.push(...found)
    }
    if (problems.length > 0) throw mismatch(problems)
  }

  /** What the service does not say now does not explain anything. */
  async function throwIfWrong(name: string, signal: AbortSignal): Promise<void> {
    try {
      await check([name], signal)
    } catch (thrown) {
      if (thrown instanceof SluiceError && thrown.code === 'entity-mismatch') throw thrown
    }
  }

  return {
    check,
    async explain(name, signal, read) {
      try {
        const found = await read()
        if (found === undefined) await throwIfWrong(name, signal)
        return found
      } catch (thrown) {
        const status = thrown instanceof SluiceError ? thrown.httpStatus : undefined
        if (status === 400 || status === 404) await throwIfWrong(name, signal)
        throw thrown
      }
    },
  }
}
