/** The part of CAP's SQLite service that Sluice builds on; the package ships no types. */
declare module '@cap-js/sqlite' {
  export interface SQLiteTransaction {
    readonly dbc: unknown
    begin(): Promise<unknown>
    commit(): Promise<unknown>
    rollback(): Promise<unknown>
  }

  export default class SQLiteService {
    constructor(name: string, model: unknown, options: object)
    init(): Promise<void>
    tx(context: object): SQLiteTransaction
    disconnect(): Promise<void>
  }
}
