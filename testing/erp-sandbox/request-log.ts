import { parseODataPath } from './sap-errors.ts'

/** A request that the sandbox has seen. */
export interface LoggedRequest {
  readonly at: string
  readonly method: string
  readonly url: string
  /** Entity set, `$batch`, `$metadata`; `/` is the service root. */
  readonly entity: string
  readonly status: number | 'cut'
}

const kept = 1000

/** Counts every request, so that a test can assert round trips; remembers the last 1000. */
export class RequestLog {
  #counts: Record<string, number> = {}
  #requests: LoggedRequest[] = []

  add(method: string, url: string, status: number | 'cut'): void {
    const entity = parseODataPath(url)?.resource || '/'
    const name = `${method} ${entity} ${status}`
    this.#counts[name] = (this.#counts[name] ?? 0) + 1
    this.#requests.push({ at: new Date().toISOString(), method, url, entity, status })
    if (this.#requests.length > kept) this.#requests.shift()
  }

  /** Counts by `METHOD entity status`. */
  read(): RequestCounts {
    return { counts: this.#counts, requests: this.#requests }
  }

  clear(): void {
    this.#counts = {}
    this.#requests = []
  }
}

/** The requests that the sandbox has seen since the log was cleared. */
export interface RequestCounts {
  readonly counts: Readonly<Record<string, number>>
  readonly requests: readonly LoggedRequest[]
}
