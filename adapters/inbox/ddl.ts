import { fileURLToPath } from 'node:url'

/** The tables of this version of Sluice. An instance refuses a store of a later one. */
export const STORE_VERSION = 1

/**
 * Statements that lead existing tables to a version, by version. They only add, each with a default where the version
 * before would leave a gap: its instances run on beside ours. New tables come from the model by themselves.
 */
export type Expansions = Readonly<Record<number, readonly string[]>>

export const EXPANSIONS: Readonly<Record<'sqlite' | 'postgres', Expansions>> = { sqlite: {}, postgres: {} }

/** What leads from one version of the store to another. */
export const expansionsBetween = (expansions: Expansions, found: number, version: number): readonly string[] =>
  Array.from({ length: Math.max(0, version - found) }, (_, step) => expansions[found + step + 1] ?? []).flat()

type Dialect = 'sqlite' | 'postgres' | 'hana'

/** The compiler's call as documented; CAP's types do not know its `dialect`. https://cap.cloud.sap/docs/node.js/cds-compile */
type ToSql = (model: object, options: { dialect: Dialect; owner: string }) => readonly string[]

/** CAP's statements for a model (CSN); for Sluice's own where none is given. */
export function compileDdl(dialect: Dialect, csn?: object): Promise<readonly string[]> {
  if (csn) return compile(dialect, csn)
  const ddl = ownDdl.get(dialect) ?? loadModel().then((model) => compile(dialect, model))
  ownDdl.set(dialect, ddl)
  return ddl
}

async function compile(dialect: Dialect, csn: object): Promise<readonly string[]> {
  const { default: cds } = await import('@sap/cds')
  return (cds.compile.to.sql as unknown as ToSql)(csn, { dialect, owner: 'cap-sluice' })
}

/** Sluice's own model as CSN: the stored nouns and the operator's views of them. */
export function loadModel(): Promise<object> {
  ownModel ??= import('@sap/cds').then(({ default: cds }) =>
    // Silent: what hooks into an app's model has no business in this one.
    cds.load(fileURLToPath(import.meta.resolve('cap-sluice/index.cds')), { silent: true } as object),
  )
  return ownModel
}

/** Compiled once per process: they are part of the package and do not change. */
let ownModel: Promise<object> | undefined
const ownDdl = new Map<Dialect, Promise<readonly string[]>>()
