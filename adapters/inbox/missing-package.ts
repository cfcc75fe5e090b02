import { SluiceError } from '#domain/errors'

/** What a database needs is the user's to install, and named where it is not there. */
const NEEDED = /'((?:@sap\/cds|@cap-js\/(?:sqlite|postgres|hana)|pg|hdb))(?:\/[^']*)?'/
/** CAP names the package, and has as its cause a path where it is not. */
const CAP_NEEDS = /^Failed loading service implementation from (@cap-js\/\w+)$/
const CODES: ReadonlySet<unknown> = new Set(['ERR_MODULE_NOT_FOUND', 'MODULE_NOT_FOUND'])

/** The same fault, or a named one where a package is not installed. */
export function orMissingPackage(thrown: unknown): unknown {
  if (!(thrown instanceof Error)) return thrown
  const name = (isMissing(thrown) ? NEEDED : isMissing(thrown.cause) ? CAP_NEEDS : undefined)?.exec(thrown.message)?.[1]
  if (name === undefined) return thrown
  return new SluiceError('configuration', `The inbox needs the package ${name}, which is not installed.`, {
    retry: 'never',
    remedy: `Run: npm add ${name}`,
    cause: thrown,
  })
}

const isMissing = (thrown: unknown): boolean =>
  thrown instanceof Error && CODES.has((thrown as { code?: unknown }).code)
