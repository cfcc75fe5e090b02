/** What the sandbox does wrong, and how often. */
export interface Switches {
  /** `refuse`: nobody listens; `reset`: connections are accepted and reset at once. */
  readonly down: false | 'refuse' | 'reset'
  /** Every request waits so many ms. */
  readonly slow: number
  /** The next `times` requests are turned away. `retryAfter` in seconds. */
  readonly throttle: { readonly times: number; readonly status: 429 | 503; readonly retryAfter: number }
  /** The next `times` changes of existing objects (of `key` only, if given) find the object locked. */
  readonly lock: { readonly times: number; readonly status: 400 | 409; readonly key?: string }
  /** S/4's own follow-up work locks what was just written: its next n changes are refused. */
  readonly lockAfterWrite: number
  /** The next n successful writes are committed, then the connection is cut instead of answered. */
  readonly commitThenCut: number
  /** The connection of the next `times` writes is cut; they commit at `release`, or after `afterMs`. */
  readonly cutThenCommit: { readonly times: number; readonly afterMs?: number }
  /** The next `times` writes get their timestamp now and become visible at `release`, or after `afterMs`. */
  readonly lateCommit: { readonly times: number; readonly afterMs?: number }
  /** Application servers' clocks, as offsets in ms, taken in turn. */
  readonly skewedTimestamps: readonly number[]
  /** A wrong password gets 200 with an HTML logon page instead of 401. */
  readonly loginPage: boolean
  /** Whether `RequestID` is honored; as in most systems it is not. */
  readonly repeatability: boolean
  /** The next n business events are lost on purpose. */
  readonly dropEvents: number
}

/** As given: counted switches also take the bare count, `down` also takes true, `expireSessions` acts at once. */
export type SwitchSettings = {
  readonly [Name in keyof Switches]?: Switches[Name] extends { readonly times: number }
    ? number | (Partial<Switches[Name]> & { readonly times: number })
    : Name extends 'down'
      ? boolean | Switches[Name]
      : Switches[Name]
} & { readonly expireSessions?: true }

type Counted = 'lockAfterWrite' | 'commitThenCut' | 'dropEvents'
type CountedWith = 'throttle' | 'lock' | 'cutThenCommit' | 'lateCommit'

const defaults: Switches = {
  down: false,
  slow: 0,
  throttle: { times: 0, status: 429, retryAfter: 1 },
  lock: { times: 0, status: 400 },
  lockAfterWrite: 0,
  commitThenCut: 0,
  cutThenCommit: { times: 0 },
  lateCommit: { times: 0 },
  skewedTimestamps: [],
  loginPage: false,
  repeatability: false,
  dropEvents: 0,
}

/** The state of all switches; counts go down as they are used up. */
export class SwitchBoard {
  #state: Switches = defaults

  get state(): Switches {
    return this.#state
  }

  /** @throws on a name that is no switch. */
  set(settings: SwitchSettings): void {
    const next: Record<string, unknown> = { ...this.#state }
    for (const [name, value] of Object.entries(settings)) {
      if (name === 'expireSessions') continue
      if (!(name in defaults)) throw new Error(`no such switch: ${name}; there are ${Object.keys(defaults).join(', ')}`)
      next[name] = normalize(name as keyof Switches, value)
    }
    this.#state = next as unknown as Switches
  }

  /** Uses a counted switch once; false when it is used up. */
  take(name: Exclude<Counted, 'lockAfterWrite'>): boolean {
    const left = this.#state[name]
    if (left <= 0) return false
    this.#state = { ...this.#state, [name]: left - 1 }
    return true
  }

  /** The same for switches with more to say. */
  takeWith<Name extends CountedWith>(name: Name): Switches[Name] | undefined {
    const current = this.#state[name]
    if (current.times <= 0) return undefined
    this.#state = { ...this.#state, [name]: { ...current, times: current.times - 1 } }
    return current
  }
}

const normalize = (name: keyof Switches, value: unknown): unknown => {
  if (name === 'down' && value === true) return 'refuse'
  const standard = defaults[name]
  if (typeof standard !== 'object' || !('times' in standard)) return value
  return { ...standard, ...(typeof value === 'number' ? { times: value } : (value as object)) }
}
