import type { Statements } from './statements.ts'

interface Entry {
  readonly pos: number
  readonly dispatch: string
}

/** What its row says beside its place and its id, for as long as nobody has tried it. */
interface Untried {
  readonly event: string
  readonly subscription: string
  readonly run: number
}

interface FreshEntry extends Entry {
  untried: Untried | undefined
}

/** A dispatch that waits. */
export interface WaitingRow {
  readonly ID: string
  /** Its place among all that ever waited. */
  readonly pos: number
  readonly event: string
  readonly subscription: string
  readonly run: number
  readonly attempts: number
  readonly forgiven: number
  readonly lastSentAt: string | null
}

/** A lane as far as it matters here: nothing before its head waits. */
export interface LanePart {
  readonly ID: string
  readonly head: number
}

/** After so many positions, what still waits is filed. */
export const FILE_EVERY = 8_192
/** Once it is time, each transaction files some, so that none is long. */
const FILE_AT_LEAST = 32

/** Entries on their way to the file, lane by lane. */
interface Filing {
  /** Up to this position. */
  readonly to: number
  readonly lanes: readonly string[]
  next: number
}

/**
 * What waits in each lane, in order. With an index of SQLite's own, every dispatch of a backlog would be entered on a page
 * of its own, which costs as much as the rest of a delivery. So the newest entries are kept in memory, and after many of
 * them those that still wait are filed in `sluice_Waiting`, lane by lane, where they share pages. After a start the newest
 * are read back: they are the last rows of `Dispatches`, behind the position up to which all is filed.
 *
 * Positions grow from dispatch to dispatch, over all lanes. In each lane what is filed comes before what is not. What waits
 * no longer is taken out of memory at once, and out of the file when its lane moves on.
 */
export class WaitingIndex {
  /** By lane, ascending. */
  readonly #fresh = new Map<string, FreshEntry[]>()
  /** The last position given away; undefined where nothing is known yet. */
  #last: number | undefined
  /** Nobody else writes this store, so what is fresh waits. */
  #alone = true
  /** Up to here something may be filed. */
  #maybeFiled = 0
  /** All that waits up to here is filed. */
  #filedTo = 0
  #filing: Filing | undefined
  #appended = 0
  readonly #fileEvery: number

  constructor(fileEvery: number) {
    this.#fileEvery = fileEvery
  }

  /** @param othersWrote another connection has committed since the last transaction */
  begin(tx: Statements, othersWrote: boolean): void {
    this.#appended = 0
    if (this.#last !== undefined) {
      if (!othersWrote) return
      this.#alone = false
    }
    const { filedTo, givenTo } = tx.get<{ filedTo: number; givenTo: number }>(READ_MARKS) ?? NO_MARKS
    if (filedTo > this.#filedTo) this.#dropFiled(filedTo)
    this.#filedTo = filedTo
    this.#readNewest(tx, Math.max(filedTo, this.#last ?? 0))
    this.#last = Math.max(this.#last ?? 0, givenTo)
    this.#maybeFiled = this.#last
  }

  /** Call where a transaction is rolled back. */
  forget(): void {
    this.#fresh.clear()
    this.#last = undefined
    this.#filing = undefined
  }

  /** One past the last position. */
  get end(): number {
    return (this.#last ?? 0) + 1
  }

  /** Call where rows of `Dispatches` are removed: the last of them may be the only one that tells the last position. */
  keepEnd(tx: Statements): void {
    tx.run(WRITE_MARK, 'given-to', String(this.end - 1))
  }

  /** @returns the position of a dispatch that becomes the last row of its table */
  append(lane: string, dispatch: string, untried?: Untried): number {
    const pos = this.end
    this.#last = pos
    this.#appended += 1
    this.#enter(lane, { pos, dispatch, untried })
    return pos
  }

  /** Call where a row changes that goes on waiting. */
  changed(lane: string, pos: number): void {
    const entry = this.#fresh.get(lane)?.find((each) => each.pos === pos)
    if (entry) entry.untried = undefined
  }

  /** A lane's head waits again. */
  restore(tx: Statements, lane: string, { pos, dispatch }: Entry): void {
    tx.run(FILE, lane, pos, dispatch)
    this.#maybeFiled = Math.max(this.#maybeFiled, pos)
  }

  remove(lane: string, pos: number): void {
    const entries = this.#fresh.get(lane)
    const index = entries?.findIndex((entry) => entry.pos === pos) ?? -1
    if (!entries || index < 0) return
    if (entries.length === 1) this.#fresh.delete(lane)
    else entries.splice(index, 1)
  }

  first(tx: Statements, lane: LanePart): Entry | undefined {
    const filed = this.#hasFiled(lane) ? tx.get<Entry>(FIRST_FILED, lane.ID) : undefined
    return filed ?? this.#freshOf(tx, lane.ID)[0]
  }

  /** What waits, in order. */
  *rows(tx: Statements, lane: LanePart): Iterable<WaitingRow> {
    let behind = 0
    if (this.#hasFiled(lane)) {
      for (const row of tx.iterate<WaitingRow>(FILED, lane.ID)) {
        behind = row.pos
        yield row
      }
    }
    for (const entry of this.#freshOf(tx, lane.ID)) {
      const row = entry.pos > behind ? this.#row(tx, entry) : undefined
      if (row) yield row
    }
  }

  /** Call where a lane moves on: nothing before this position waits. */
  moveOn(tx: Statements, lane: LanePart, to: number): void {
    if (this.#hasFiled(lane)) tx.run(UNFILE, lane.ID, to)
  }

  /** Call at the end of a transaction. One that appended nothing files nothing: where nothing can be written, reading goes on. */
  file(tx: Statements): void {
    if (this.#appended === 0) return
    if (!this.#filing && this.end - this.#filedTo > this.#fileEvery) {
      this.#filing = { to: this.end - 1, lanes: [...this.#fresh.keys()].sort(), next: 0 }
      this.#maybeFiled = this.#filing.to
    }
    if (this.#filing) this.#fileSome(tx, this.#filing, Math.max(FILE_AT_LEAST, 2 * this.#appended))
  }

  /** Prefix by prefix, so that in each lane what is filed comes first, wherever a transaction ends. */
  #fileSome(tx: Statements, filing: Filing, most: number): void {
    for (let seen = 0; seen < most && filing.next < filing.lanes.length; ) {
      const lane = filing.lanes[filing.next] as string
      const [first] = this.#fresh.get(lane) ?? NONE
      if (!first || first.pos > filing.to) {
        filing.next += 1
        continue
      }
      if (this.#waits(tx, first)) tx.run(FILE, lane, first.pos, first.dispatch)
      this.remove(lane, first.pos)
      seen += 1
    }
    if (filing.next < filing.lanes.length) return
    tx.run(WRITE_MARK, 'filed-to', String(filing.to))
    this.#filedTo = filing.to
    this.#filing = undefined
  }

  /** Somebody else has filed these: where nobody appends here, nobody else would take them out of memory. */
  #dropFiled(to: number): void {
    for (const [lane, entries] of this.#fresh) {
      const left = entries.filter(({ pos }) => pos > to)
      if (left.length === 0) this.#fresh.delete(lane)
      else if (left.length < entries.length) this.#fresh.set(lane, left)
    }
    this.#filing = undefined
  }

  #hasFiled({ head }: LanePart): boolean {
    return head <= this.#maybeFiled
  }

  /** What came behind a position, in order. A row behind it may be one that was filed since. */
  #readNewest(tx: Statements, behind: number): void {
    const rows: (Entry & { lane: string; status: string })[] = []
    for (const row of tx.iterate<(typeof rows)[number]>(NEWEST)) {
      if (row.pos <= behind) break
      rows.push(row)
    }
    this.#last = Math.max(behind, rows[0]?.pos ?? 0)
    for (const { lane, pos, dispatch, status } of rows.reverse()) {
      if (status === 'waiting') this.#enter(lane, { pos, dispatch, untried: undefined })
    }
  }

  /** Where nobody else writes this store, a row that nobody has tried is as it was written. */
  #row(tx: Statements, { pos, dispatch, untried }: FreshEntry): WaitingRow | undefined {
    if (!this.#alone || !untried) return tx.get<WaitingRow>(FRESH, dispatch, pos)
    const { event, subscription, run } = untried
    return { ID: dispatch, pos, event, subscription, run, attempts: 0, forgiven: 0, lastSentAt: null }
  }

  #waits(tx: Statements, { pos, dispatch }: Entry): boolean {
    return this.#alone || tx.get(WAITS, dispatch, pos) !== undefined
  }

  /** From the first on that waits. */
  #freshOf(tx: Statements, lane: string): readonly FreshEntry[] {
    for (;;) {
      const [first] = this.#fresh.get(lane) ?? NONE
      if (!first || this.#waits(tx, first)) return this.#fresh.get(lane) ?? NONE
      this.remove(lane, first.pos)
    }
  }

  #enter(lane: string, entry: FreshEntry): void {
    const entries = this.#fresh.get(lane)
    if (entries) entries.push(entry)
    else this.#fresh.set(lane, [entry])
  }
}

const NONE: readonly FreshEntry[] = []

/** Not in CDS: it only leads to rows of `Dispatches`. */
export const WAITING_TABLE = `CREATE TABLE IF NOT EXISTS sluice_Waiting(
  lane TEXT NOT NULL, pos INTEGER NOT NULL, dispatch TEXT NOT NULL, PRIMARY KEY(lane, pos)) WITHOUT ROWID`

const COLUMNS = ['ID', 'pos', 'event', 'subscription', 'run', 'attempts', 'forgiven', 'lastSentAt']
const FRESH = `SELECT ${COLUMNS} FROM sluice_Dispatches WHERE ID = ? AND pos = ? AND status = 'waiting'`
const FROM_FILED = `FROM sluice_Waiting w CROSS JOIN sluice_Dispatches d ON d.ID = w.dispatch
  WHERE w.lane = ? AND d.pos = w.pos AND d.status = 'waiting' ORDER BY w.pos`
const FILED = `SELECT ${COLUMNS.map((name) => `d.${name}`)} ${FROM_FILED}`
const FIRST_FILED = `SELECT w.pos, w.dispatch ${FROM_FILED} LIMIT 1`
const FILE = 'INSERT OR IGNORE INTO sluice_Waiting(lane, pos, dispatch) VALUES(?,?,?)'
const UNFILE = 'DELETE FROM sluice_Waiting WHERE lane = ? AND pos < ?'
const WAITS = `SELECT 1 FROM sluice_Dispatches WHERE ID = ? AND pos = ? AND status = 'waiting'`
const NEWEST = 'SELECT lane, pos, ID AS dispatch, status FROM sluice_Dispatches ORDER BY rowid DESC'
const NO_MARKS = { filedTo: 0, givenTo: 0 }
const READ_MARKS = `SELECT coalesce(max(CAST(value AS INTEGER)) FILTER (WHERE name = 'filed-to'), 0) AS filedTo,
    coalesce(max(CAST(value AS INTEGER)) FILTER (WHERE name = 'given-to'), 0) AS givenTo
  FROM sluice_Meta WHERE name IN ('filed-to', 'given-to')`
const WRITE_MARK =
  'INSERT INTO sluice_Meta(name, value) VALUES(?, ?) ON CONFLICT(name) DO UPDATE SET value = excluded.value'
