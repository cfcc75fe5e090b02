import type { Clock, Log } from '#domain/ports'

/** Between two lines about the same trouble, in ms. */
const EVERY_MS = 10_000

type Fields = Readonly<Record<string, unknown>> & { readonly source: string }

interface Trouble {
  readonly level: 'warn' | 'error'
  readonly message: string
  /** Of the latest refusal. */
  fields: Fields
  /** Refusals since the last line. */
  refused: number
  over: boolean
  resting: boolean
}

/**
 * Lines about deliveries that are not taken: the first at once, then how many there were in every ten seconds. Neither a
 * flood nor a full disk may cost a line for each.
 * @param again said, as seldom, once deliveries of the source are stored again; without it a trouble is forgotten as soon
 *   as it is quiet
 */
export function refusalLog(clock: Clock, log: Log, again?: string) {
  const troubles = new Map<string, Trouble>()

  function tell(key: string, trouble: Trouble): void {
    const { level, message, fields, refused } = trouble
    log[level](message, { ...fields, refused })
    trouble.refused = 0
    trouble.resting = true
    clock.after(EVERY_MS, () => {
      trouble.resting = false
      if (trouble.over) end(key, trouble)
      else if (trouble.refused > 0) tell(key, trouble)
      else if (again === undefined) troubles.delete(key)
    })
  }

  function end(key: string, { fields: { source, code }, refused }: Trouble): void {
    troubles.delete(key)
    if (again !== undefined) log.info(again, { source, code, refused })
  }

  return {
    /** One kind of trouble is one message about one source with one `code` or `reason`. */
    refused(level: Trouble['level'], message: string, fields: Fields): void {
      const key = JSON.stringify([message, fields.source, fields.code, fields.reason])
      const trouble = troubles.get(key) ?? { level, message, fields, refused: 0, over: false, resting: false }
      troubles.set(key, trouble)
      trouble.fields = fields
      trouble.refused += 1
      trouble.over = false
      if (!trouble.resting) tell(key, trouble)
    },
    /** A delivery of the source was stored. */
    stored(source: string): void {
      for (const [key, trouble] of troubles) {
        if (trouble.fields.source !== source) continue
        trouble.over = true
        if (!trouble.resting) end(key, trouble)
      }
    },
  }
}
