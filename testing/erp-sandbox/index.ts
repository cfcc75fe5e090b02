import { startSimulator } from '../simulator-process.ts'
import type { RequestCounts } from './request-log.ts'
import type { Switches, SwitchSettings } from './switches.ts'
import type { Changed, Changes, ErpSandboxOptions, SentChange } from './types.ts'

export type { LoggedRequest, RequestCounts } from './request-log.ts'
export type { Switches, SwitchSettings } from './switches.ts'
export type { Changed, Changes, ErpSandboxOptions, Raises, SentChange } from './types.ts'

/** A running ERP sandbox. Its services are under `<url>/sap/opu/odata/sap/` (V2) and `<url>/sap/opu/odata4/sap/` (V4). */
export interface ErpSandbox {
  readonly url: string
  readonly user: string
  readonly password: string
  /** Base of the control API, on a port of its own. */
  readonly control: string
  readonly pid: number
  /** All rows of an entity, straight from the database. */
  rows(entity: string): Promise<readonly Readonly<Record<string, unknown>>[]>
  /** What this ERP changed in sales orders and business partners, and which events it raised or dropped. */
  sent(): Promise<readonly SentChange[]>
  /** @throws on a name that is no switch. */
  switch(settings: SwitchSettings): Promise<SandboxState>
  state(): Promise<SandboxState>
  /** Commits what `lateCommit` and `cutThenCommit` hold back. @returns how many. */
  release(): Promise<number>
  change(changes: Changes): Promise<readonly Changed[]>
  log(): Promise<RequestCounts>
  clearLog(): Promise<void>
  stop(): Promise<void>
}

/** How a sandbox is set at the moment. */
export interface SandboxState {
  readonly switches: Switches
  /** Writes that wait for their commit. */
  readonly held: number
}

type Ready = Pick<ErpSandbox, 'url' | 'user' | 'password' | 'control'>

/**
 * Starts an ERP that behaves as S/4HANA's OData services do at their worst: CSRF tokens bound to cookies, required
 * `If-Match`, locks, throttling, late commits, answers that never come. In a process of its own, on 127.0.0.1.
 */
export const erpSandbox = async (options: ErpSandboxOptions = {}): Promise<ErpSandbox> => {
  const { ready, pid, stop } = await startSimulator<Ready>(import.meta.filename, 'main', { ...options })
  const { url, user, password, control } = ready
  const ask = async <T>(method: string, path: string, body?: unknown): Promise<T> => {
    const init = body === undefined ? { method } : { method, body: JSON.stringify(body) }
    const answer = await fetch(`${control}/sandbox/${path}`, init)
    if (!answer.ok) throw new Error(`ERP sandbox: ${await answer.text()}`)
    return (await answer.json()) as T
  }
  return {
    url,
    user,
    password,
    control,
    pid,
    rows: (entity) => ask('GET', `rows/${entity}`),
    sent: () => ask('GET', 'sent'),
    switch: (settings) => ask('POST', 'switches', settings),
    state: () => ask('GET', 'switches'),
    release: async () => (await ask<{ released: number }>('POST', 'release')).released,
    change: async (changes) => (await ask<{ changes: readonly Changed[] }>('POST', 'changes', changes)).changes,
    log: () => ask('GET', 'log'),
    clearLog: async () => {
      await ask('DELETE', 'log')
    },
    stop,
  }
}
