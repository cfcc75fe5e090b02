import { SluiceError } from '#domain/errors'

/** What a database needs is the user's to install, and named where it is not there. */
const NEEDED = /'((?:@sap\/cds|@cap-js\/(?:sqlite|postgres|hana)|pg|hdb))(?:\/[^']*)?'/
const CODES: ReadonlySet<unknown> = new Set(['ERR_MODULE_NOT_FOUND', 'MODULE_NOT_FOUND'])

/** The same fault, or a named one where a package is not installed. */
export function orMissingPackage(thrown: unknown): unknown {
  if (!(thrown instanceof Error) || !CODES.has((thrown as { code?: unknown }).code)) return thrown
  const name = NEEDED.exec(thrown.message)?.[1]
  if (name === undefined) return thrown
  return new SluiceError('configuration', `The inbox needs the package ${name}, which is not installed.`, {
    retry: 'never',
    remedy: `Run: npm add ${name}`,
    cause: thrown,
  })
}
