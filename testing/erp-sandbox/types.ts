/** Where a sandbox listens, what it keeps, and whom it tells. */
export interface ErpSandboxOptions {
  /** 0 or absent: any free port. */
  readonly port?: number
  readonly controlPort?: number
  readonly user?: string
  readonly password?: string
  /** SQLite file, kept over restarts; `:memory:` if absent. */
  readonly database?: string
  /** Makes it a headquarters' ERP, whose sales orders and business partners raise business events. */
  readonly raises?: Raises
}

/** How a headquarters' S/4 raises its business events. */
export interface Raises {
  /** Three segments, e.g. `sap/S4HANAOD/hq01`; the topic is `<prefix>/ce/<type with slashes>`. */
  readonly topicPrefix: string
  /** CloudEvents source, e.g. `/default/sap.s4.beh/HQ01CLNT100`. */
  readonly source: string
  readonly broker: {
    readonly url: string
    readonly tokenUrl: string
    readonly clientId: string
    readonly clientSecret: string
  }
}

/** One line of the sender's own log: what it changed, and whether it told anybody. */
export interface SentChange {
  readonly seq: number
  readonly entity: string
  readonly key: string
  readonly version: string
  readonly type: string
  /** `none` where the sandbox is not told to raise events. */
  readonly event: 'none' | 'pending' | 'raised' | 'dropped'
  readonly eventId: string | null
}

/** What a person in the ERP does: enters and edits objects, with no OData client between. */
export interface Changes {
  readonly entity: string
  readonly action: 'create' | 'change'
  /** How many, 1 if absent; without `key`, changes go through the existing objects in turn. */
  readonly count?: number
  readonly key?: string
  /** Overrides what the sandbox would enter. */
  readonly data?: Readonly<Record<string, unknown>>
}

/** What came of a change. */
export interface Changed {
  /** Absent while a late commit holds the write back. */
  readonly key?: string
  readonly held: boolean
}
