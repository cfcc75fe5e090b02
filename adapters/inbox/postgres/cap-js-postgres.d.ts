/** The part of CAP's Postgres service that Sluice builds on; the package ships no types. */
declare module '@cap-js/postgres' {
  export interface PostgresConnection {
    open: boolean
    query<Row>(query: string | object): Promise<{ rows: Row[]; rowCount: number | null; command: string }>
    on(event: 'error', listener: (error: Error) => void): this
    setTypeParser(oid: number, parse: (text: string) => unknown): void
  }

  export interface PostgresTransaction {
    readonly dbc: PostgresConnection
    /** `min` takes a connection only: no session variables, no BEGIN. */
    begin(min: true): Promise<unknown>
    release(): Promise<void>
    destroy(): Promise<void>
  }

  export interface ConnectionFactory {
    readonly options: object
    create(tenant?: string): Promise<PostgresConnection>
    destroy(connection: PostgresConnection): Promise<void>
    validate(connection: PostgresConnection): boolean
  }

  export interface PostgresServiceOptions {
    readonly credentials?: Readonly<Record<string, unknown>>
    readonly [option: string]: unknown
  }

  export default class PostgresService {
    constructor(name: string, model: object, options: PostgresServiceOptions)
    readonly options: PostgresServiceOptions
    get factory(): ConnectionFactory
    init(): Promise<void>
    tx(context: object): PostgresTransaction
    disconnect(): Promise<void>
  }
}
