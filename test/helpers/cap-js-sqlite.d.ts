/** The part of CAP's SQLite service that the tests build on; the package ships no types. */
declare module '@cap-js/sqlite' {
  export default class SQLiteService {
    constructor(name: string, model: unknown, options: object)
    init(): Promise<void>
    disconnect(): Promise<void>
  }
}
