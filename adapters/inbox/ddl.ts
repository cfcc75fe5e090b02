import { fileURLToPath } from 'node:url'

/** The tables of this version of Sluice. An instance refuses a store of a later one. */
export const STORE_VERSION = 1

type Dialect = 'sqlite' | 'postgres' | 'hana'

/** The compiler's call as documented; CAP's types do not know its `dialect`. https://cap.cloud.sap/docs/node.js/cds-compile */
type ToSql = (model: object, options: { dialect: Dialect }) => readonly string[]

/** CAP's statements for a model (CSN); for Sluice's own where none is given. */
export function compileDdl(dialect: Dialect, csn?: object): Promise<readonly string[]> {
  if (csn) return compile(dialect, csn)
  const ddl = ownDdl.get(dialect) ?? loadModel().then((model) => compile(dialect, model))
  ownDdl.set(dialect, ddl)
  return ddl
}

async function compile(dialect: Dialect, csn: object): Promise<readonly string[]> {
  const { default: cds } = await import('@sap/cds')
  return (cds.compile.to.sql as unknown as ToSql)(csn, { dialect })
}

/** Sluice's own model as CSN: the stored nouns and the operator's views of them. */
export function loadModel(): Promise<object> {
  ownModel ??= import('@sap/cds').then(({ default: cds }) =>
    cds.load(fileURLToPath(import.meta.resolve('cap-sluice/index.cds'))),
  )
  return ownModel
}

/** Compiled once per process: they are part of the package and do not change. */
let ownModel: Promise<object> | undefined
const ownDdl = new Map<Dialect, Promise<readonly string[]>>()
