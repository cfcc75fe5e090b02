import type { Inbox } from '#domain/ports'
import { memoryAdmin } from './admin.ts'
import { memoryIntake } from './intake.ts'
import { memoryJournal } from './journal.ts'
import { emptyState, type MemoryState } from './state.ts'
import { memoryWork } from './work.ts'

/** An inbox in this process's memory: the whole contract, fencing included, for tests and first steps. Gone with the process. */
export function memoryInbox(options: { now?: () => Date } = {}): Inbox & { readonly state: MemoryState } {
  const state = emptyState(options.now ?? (() => new Date()))
  return {
    state,
    intake: memoryIntake(state),
    work: memoryWork(state),
    journal: memoryJournal(state),
    admin: memoryAdmin(state),
    open: async () => {},
    close: async () => {},
    health: async () => ({ ok: true, clockOffsetMs: 0 }),
  }
}
