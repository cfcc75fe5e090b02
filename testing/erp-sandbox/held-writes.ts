/** Writes that wait for their commit: a slow update task, or a work process that outlives its client's connection. */
export class HeldWrites {
  readonly #held = new Set<{ start(): Promise<unknown> }>()

  get size(): number {
    return this.#held.size
  }

  /** Runs `commit` at the next release, or after `afterMs`. */
  hold<T>(commit: () => Promise<T>, afterMs?: number): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const held = {
        start: () => {
          clearTimeout(timer)
          this.#held.delete(held)
          const done = commit()
          done.then(resolve, reject)
          return done.catch(() => undefined)
        },
      }
      const timer = afterMs === undefined ? undefined : setTimeout(held.start, afterMs)
      this.#held.add(held)
    })
  }

  /** Commits all that is held, in the order it came. @returns how many. */
  async release(): Promise<number> {
    const held = [...this.#held]
    for (const write of held) await write.start()
    return held.length
  }
}
