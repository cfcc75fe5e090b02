interface Timer {
  readonly at: number
  readonly run: () => void
}

/** Time that runs with the real one and can be moved ahead: Event Mesh first retries after 15 minutes. */
export class SimTime {
  #offset = 0
  #timers: Timer[] = []
  #armed: NodeJS.Timeout | undefined

  now(): number {
    return Date.now() + this.#offset
  }

  at(at: number, run: () => void): void {
    this.#timers.push({ at, run })
    this.#arm()
  }

  /** Moves on by `ms` and runs what became due, in order of time. */
  advance(ms: number): void {
    this.#offset += ms
    this.#runDue()
  }

  #runDue(): void {
    const now = this.now()
    const due = this.#timers.filter(({ at }) => at <= now).sort((a, b) => a.at - b.at)
    this.#timers = this.#timers.filter(({ at }) => at > now)
    for (const { run } of due) run()
    this.#arm()
  }

  #arm(): void {
    clearTimeout(this.#armed)
    if (this.#timers.length === 0) return
    const next = Math.min(...this.#timers.map(({ at }) => at))
    this.#armed = setTimeout(() => this.#runDue(), Math.max(0, next - this.now()))
  }
}
