import type { ChildProcess } from 'node:child_process'
import { EventEmitter, once } from 'node:events'

/** Many times what anything here takes, and less than a test has: a test that waits in vain says what it heard. */
const GIVE_UP_MS = 50_000

export interface ChildOutput {
  /** What it wrote so far, to either output. */
  text(): string
  /** The exit code, or the signal that ended it; everything it wrote is here by then. */
  readonly ended: Promise<number | string>
  /** Waits for text, from now or before. @throws with all it wrote, where it ends before or does not say that in time */
  says(wanted: string | RegExp, withinMs?: number): Promise<void>
}

/** Reads both outputs of a child: a log writes warnings to another one than the rest, and either may come last. */
export function outputOf(child: ChildProcess): ChildOutput {
  let text = ''
  let end: number | string | undefined
  const told = new EventEmitter()
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (more: string) => {
      text += more
      told.emit('more')
    })
  }
  const ended = once(child, 'close').then(([code, signal]) => {
    end = (code ?? signal) as number | string
    told.emit('more')
    return end
  })
  return {
    text: () => text,
    ended,
    async says(wanted, withinMs = GIVE_UP_MS) {
      const inVain = (what: string) => new Error(`${what}, without ${wanted}:\n${text}`)
      const signal = AbortSignal.timeout(withinMs)
      while (!(typeof wanted === 'string' ? text.includes(wanted) : wanted.test(text))) {
        if (end !== undefined) throw inVain(`it ended with ${end}`)
        await once(told, 'more', { signal }).catch(() => {
          throw inVain(`${withinMs} ms have passed`)
        })
      }
    },
  }
}
