import { SluiceError } from '#domain/errors'

/** Bounds of one commit: a larger one would only make its first caller wait longer. */
export interface GroupLimits {
  readonly items: number
  readonly bytes: number
}

interface Call<Item, Result> {
  readonly items: readonly Item[]
  readonly bytes: number
  resolve(results: readonly Result[]): void
  reject(error: unknown): void
}

/**
 * Lets concurrent calls share one commit: what arrives while the commit before is under way becomes the next batch.
 * One at a time, so that what a process received first also gets the earlier position in its lane.
 */
export function groupCommit<Item, Result>(
  commit: (items: readonly Item[]) => Promise<readonly Result[]>,
  sizeOf: (item: Item) => number,
  limits: GroupLimits,
): (items: readonly Item[]) => Promise<readonly Result[]> {
  const waiting: Call<Item, Result>[] = []
  let committing = false

  async function drain(): Promise<void> {
    committing = true
    while (waiting.length > 0) {
      // Lets the rest of this turn's deliveries arrive: they come back together after a commit.
      await new Promise((resolve) => setImmediate(resolve))
      await commitTogether(takeGroup(waiting, limits), commit)
    }
    committing = false
  }

  return (items) =>
    new Promise((resolve, reject) => {
      const bytes = items.reduce((sum, item) => sum + sizeOf(item), 0)
      waiting.push({ items, bytes, resolve, reject })
      if (!committing) void drain()
    })
}

/** Where the database refuses something as data, every call is on its own: one caller's fault is not another's. */
async function commitTogether<Item, Result>(
  calls: readonly Call<Item, Result>[],
  commit: (items: readonly Item[]) => Promise<readonly Result[]>,
): Promise<void> {
  try {
    const results = await commit(calls.flatMap((call) => call.items))
    let start = 0
    for (const { items, resolve } of calls) {
      resolve(results.slice(start, start + items.length))
      start += items.length
    }
  } catch (error) {
    if (calls.length > 1 && isRejected(error)) for (const call of calls) await commitTogether([call], commit)
    else for (const { reject } of calls) reject(error)
  }
}

const isRejected = (error: unknown): boolean => error instanceof SluiceError && error.code === 'store-rejected'

/** At least one call, however large: a call is never split. */
function takeGroup<Item, Result>(waiting: Call<Item, Result>[], limits: GroupLimits): Call<Item, Result>[] {
  let [count, items, bytes] = [0, 0, 0]
  for (const call of waiting) {
    items += call.items.length
    bytes += call.bytes
    if (count > 0 && (items > limits.items || bytes > limits.bytes)) break
    count += 1
  }
  return waiting.splice(0, count)
}
