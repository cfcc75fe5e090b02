import { SluiceError } from '#domain/errors'

/** A mistake in a source's configuration, found at start. Names the option and the remedy, never the value. */
export const misconfigured = (kind: string, option: string, problem: string, remedy: string): SluiceError =>
  new SluiceError('configuration', `Source kind "${kind}": option "${option}" ${problem}.`, { retry: 'never', remedy })

/** Options also come from JSON, where a misspelled one would silently weaken a source. `kind` itself may stay in. */
export function checkOptions(kind: string, options: object, known: readonly string[]): void {
  for (const name of Object.keys(options)) {
    if (name === 'kind' || known.includes(name)) continue
    throw misconfigured(kind, name, 'is not known', `Remove it or use one of: ${known.join(', ')}.`)
  }
}

export function checkOneOf<T extends string>(kind: string, option: string, value: T, allowed: readonly T[]): T {
  if (allowed.includes(value)) return value
  throw misconfigured(kind, option, 'has an unknown value', `Use one of: ${allowed.join(', ')}.`)
}
