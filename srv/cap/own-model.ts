import type { EventEmitter } from 'node:events'
import type cds from '@sap/cds'

export type Definitions = Readonly<Record<string, Record<string, unknown>>>

/** The service of `using from 'cap-sluice'`. */
export const COCKPIT = 'CockpitService'

const NOUNS = 'sluice.'
const SKIP = '@cds.persistence.skip'

/** Whether an app's model has ours in it; without it a service of the same name is the app's own. */
export const hasOwnModel = (definitions: object | undefined): boolean =>
  Boolean(definitions && `${NOUNS}Events` in definitions)

const isOwn = (name: string): boolean => name.startsWith(NOUNS) || name.startsWith(`${COCKPIT}.`)

/** Marks our definitions as none that a database gets. @returns what takes the marks away again */
export function skipOwn(definitions: Definitions): () => void {
  const own = Object.entries(definitions)
    .filter(([name]) => isOwn(name))
    .map(([, definition]) => ({ definition, before: definition[SKIP] }))
  for (const { definition } of own) definition[SKIP] = true
  return () => {
    for (const { definition, before } of own) {
      if (before === undefined) delete definition[SKIP]
      else definition[SKIP] = before
    }
  }
}

interface CompileOptions {
  /** Who deploys what is compiled. */
  readonly owner?: string
  readonly dialect?: string
  readonly sqlDialect?: string
  readonly kind?: string
}

/**
 * Keeps our tables out of what CAP deploys to the app's `db` on SQLite and Postgres: they belong to `sluice-db`, which
 * deploys itself, and two deployers of one table stop each other. In HANA only CAP's deployment makes tables.
 */
export function keepTablesApart(facade: typeof cds): void {
  const events = facade as unknown as EventEmitter
  events.on(
    'compile.to.dbx',
    ({ definitions }: { definitions: Definitions }, options: CompileOptions = {}, compile: () => unknown) => {
      const { owner, dialect, sqlDialect, kind } = options
      if (owner === 'cap-sluice' || [dialect, sqlDialect, kind].includes('hana')) return
      if (!hasOwnModel(definitions)) return
      // The model is the app's: marked only while it is compiled.
      const unmark = skipOwn(definitions)
      try {
        compile()
      } finally {
        unmark()
      }
    },
  )
}
