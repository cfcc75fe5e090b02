import { SluiceError } from '#domain/errors'

interface RequiredService {
  readonly kind?: string
  readonly credentials?: Readonly<Record<string, unknown>>
}

/** `cds.env.requires`, as far as Sluice reads and completes it. */
export interface Requires {
  /** `credentials` is what a bound service named sluice, or tagged cds:sluice, brings: secrets by name. */
  sluice?: { readonly kind?: string; readonly impl?: unknown; readonly credentials?: Readonly<Record<string, string>> }
  'sluice-db'?: RequiredService
  readonly db?: RequiredService
  readonly multitenancy?: unknown
  readonly kinds: Record<string, object>
}

const SHARED = ['postgres', 'hana']
const DEFAULT_FILE = 'sluice.db'

/**
 * Lets `cds.connect.to('sluice')` find its class, and decides where the inbox lies if the app does not: in the app's own
 * Postgres or HANA, with connections of its own, else in a SQLite file, away from the app's transactions.
 */
export function completeRequires(requires: Requires, impl: unknown): void {
  // With a kind, CAP's log names that and not the class's source.
  requires.kinds.sluice = { kind: 'sluice', impl }
  if (requires.sluice) requires.sluice = { kind: 'sluice', ...requires.sluice, impl }
  requires['sluice-db'] ??= SHARED.includes(requires.db?.kind ?? '')
    ? { ...requires.db }
    : { ...requires.kinds.sqlite, kind: 'sqlite', credentials: { url: DEFAULT_FILE } }
}

/** @throws SluiceError `configuration` where the app's surroundings would break what Sluice promises */
export function checkRequires(requires: Requires, env: Readonly<Record<string, string | undefined>>): void {
  if (requires.multitenancy) {
    throw new SluiceError('configuration', 'cds.requires.multitenancy: one deployment of Sluice serves one tenant.', {
      retry: 'never',
      remedy: 'Deploy Sluice in an app without multitenancy.',
    })
  }
  if (env.CF_INSTANCE_GUID && requires['sluice-db']?.kind === 'sqlite') {
    throw new SluiceError(
      'configuration',
      'cds.requires.sluice-db is a file on a disk that Cloud Foundry throws away.',
      {
        retry: 'never',
        remedy: 'Bind a Postgres or HANA and configure cds.requires.sluice-db, or cds.requires.db, with that kind.',
      },
    )
  }
}

const OLDEST_CDS = 10

/** @throws SluiceError `configuration` where the app's `@sap/cds` is too old: npm only warns of a peer that is */
export function checkVersion(version: string): void {
  if (Number.parseInt(version, 10) >= OLDEST_CDS) return
  throw new SluiceError('configuration', `The app runs @sap/cds ${version}; cap-sluice needs ${OLDEST_CDS}.`, {
    retry: 'never',
    remedy: `Run npm add @sap/cds@^${OLDEST_CDS}.`,
  })
}

/**
 * Two copies of `@sap/cds` are two worlds: hooks registered in one are never called in the other.
 * @param ours where our `@sap/cds` lies; `apps` where the app's own does, if it has one
 * @throws SluiceError `configuration` where they differ
 */
export function checkCopies(ours: string, apps: string | undefined): void {
  if (apps === undefined || apps === ours) return
  throw new SluiceError('configuration', `The app runs @sap/cds from ${apps}, cap-sluice got another copy, ${ours}.`, {
    retry: 'never',
    remedy:
      'Install cap-sluice from the registry or a tarball, not by a link; run npm dedupe; let npm ls @sap/cds show one.',
  })
}
