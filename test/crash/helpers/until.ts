import { setTimeout as pause } from 'node:timers/promises'

const LOOK_AGAIN_MS = 20
const GIVE_UP_MS = 60_000

/** Asks until it is so. @throws what was waited for in vain */
export async function until(
  what: string,
  isSo: () => boolean | Promise<boolean>,
  withinMs = GIVE_UP_MS,
): Promise<void> {
  const giveUpAt = Date.now() + withinMs
  while (!(await isSo())) {
    if (Date.now() > giveUpAt) throw new Error(`waited in vain: ${what}`)
    await pause(LOOK_AGAIN_MS)
  }
}
