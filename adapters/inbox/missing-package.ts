import { SluiceError } from '#domain/errors'

/** What a database needs is the user's to install, and named where it is not there. */
const NEEDED = /'((?:@sap\/cds|@cap-js\/(?:sqlite|postgres|hana)|pg|hdb))(?:\/[^']*)?'/
const CODES: ReadonlySet<unknown> = new Set(['ERR_MODULE_NOT_FOUND', 'MODULE_NOT_FOUND'])

/** The same fault, or a named one where a package is not installed; CAP wraps what it could not load. */
export function orMissingPackage(thrown: unknown): unknown {
  const name = [thrown, (thrown as { cause?: unknown } | undefined)?.cause].map(missing).find(Boolean)
  if (name === undefined) return thrown
  return new SluiceError('configuration', `The inbox needs the package ${name}, which is not installed.`, {
    retry: 'never',
    remedy: `Run: npm add ${name}`,
    cause: thrown,
  })
}

const missing = (thrown: unknown): string | undefined =>
  thrown instanceof Error && CODES.has((thrown as { code?: unknown }).code)
    ? NEEDED.exec(thrown.message)?.[1]
    : undefined
