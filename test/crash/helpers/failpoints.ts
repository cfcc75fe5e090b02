import { writeSync } from 'node:fs'
import { getEnvironmentData, setEnvironmentData } from 'node:worker_threads'
import type { Mutation } from './mutations.ts'

interface Step {
  readonly what: string
  /** Without this protection the step's test fails: every-mutation.ts. */
  readonly fails: Mutation
}

/** Where a gateway may die while an event passes: each step of its life, and each side of each commit. */
export const EVENT_FAILPOINTS = {
  'body-read': { what: 'with the body read', fails: 'answer-first' },
  normalized: { what: 'with the delivery verified and normalized', fails: 'answer-first' },
  store: { what: 'before the store', fails: 'answer-first' },
  'store-written': { what: 'in the store transaction, after its first write', fails: 'no-transaction' },
  'store-commit': { what: 'in the store transaction, before its COMMIT', fails: 'answer-before-commit' },
  stored: { what: 'after the COMMIT, before the answer', fails: 'no-identity' },
  answered: { what: 'after the answer (peer defect 4)', fails: 'answer-before-commit' },
  'claim-commit': { what: 'in the claim transaction, before its COMMIT', fails: 'no-lease-end' },
  claimed: { what: 'after the claim, before the handler', fails: 'no-lease-end' },
  handler: { what: 'with the handler entered', fails: 'no-lease-end' },
  write: { what: 'before a write is sent, the guard passed', fails: 'no-lease-end' },
  'write-sent': { what: 'with a write handed over to the network', fails: 'no-look-up' },
  'write-answered': { what: 'with a write committed by the ERP and its answer unread', fails: 'no-look-up' },
  written: { what: "after one write's answer, before the next write", fails: 'no-look-up' },
  settle: { what: 'after all writes, before they are settled', fails: 'no-look-up' },
  'settle-commit': { what: 'in the settle transaction, before its COMMIT', fails: 'no-look-up' },
  settled: { what: 'after the COMMIT of what was settled', fails: 'settle-at-the-end' },
} as const satisfies Record<string, Step>

/** Steps of a polled event: they need a headquarters whose changes nobody pushes. */
export const POLL_FAILPOINTS = {
  'poll-leased': { what: 'with the lead of the poll just taken', fails: 'no-poll-lease-end' },
  'poll-page': { what: 'with a page read and nothing of it stored', fails: 'no-poll-lease-end' },
  'advance-commit': { what: 'with page and checkpoint written, before their COMMIT', fails: 'checkpoint-first' },
  advanced: { what: 'after the COMMIT of a page and its checkpoint', fails: 'no-poll-lease-end' },
  fetch: { what: 'before the full record is fetched', fails: 'no-lease-end' },
  fetched: { what: 'with the full record fetched', fails: 'no-lease-end' },
} as const satisfies Record<string, Step>

/** Steps that only come with a slow ERP, an end or another crash. */
export const PROCESS_FAILPOINTS = {
  renew: { what: 'before its leases are renewed', fails: 'no-lease-end' },
  renewed: { what: 'after its leases were renewed', fails: 'no-renewed-lease-end' },
  recovered: { what: 'with a dead worker’s lane just taken over', fails: 'no-second-lease-end' },
  draining: { what: 'while draining', fails: 'no-lease-end' },
  closing: { what: 'with handlers that outlast the drain, before the store is closed', fails: 'no-lease-end' },
} as const satisfies Record<string, Step>

/**
 * Steps of a start that others may suffer from. There are no more: what a first deployment has left out, and what SQLite's
 * only process has not registered yet, the next start does before it listens.
 */
export const START_FAILPOINTS = {
  'deploy-written': {
    what: 'in the transaction that expands the tables, after its first change',
    fails: 'no-transaction',
  },
  'register-written': {
    what: 'in the transaction that registers subscriptions, before it says that they changed',
    fails: 'no-transaction',
  },
} as const satisfies Record<string, Step>

export type Failpoint =
  | keyof typeof EVENT_FAILPOINTS
  | keyof typeof POLL_FAILPOINTS
  | keyof typeof PROCESS_FAILPOINTS
  | keyof typeof START_FAILPOINTS

export interface Armed {
  readonly failpoint: Failpoint
  /** Which pass it is; 1 is the first. */
  readonly pass: number
  /** `SIGSTOP` freezes the process as a long pause of the machine does. */
  readonly signal: 'SIGKILL' | 'SIGSTOP'
}

const NAMES = Object.keys({ ...EVENT_FAILPOINTS, ...POLL_FAILPOINTS, ...PROCESS_FAILPOINTS, ...START_FAILPOINTS })
const SIGNALS: readonly Armed['signal'][] = ['SIGKILL', 'SIGSTOP']

/** Of all threads together: the armed failpoint's number (0: none is), the passes left, the signal's number. */
const state = new Int32Array(sharedBytes('failpoints', 12))
const [ARMED, LEFT, SIGNAL] = [0, 1, 2]

function sharedBytes(name: string, size: number): SharedArrayBuffer {
  const found = getEnvironmentData(name)
  if (found instanceof SharedArrayBuffer) return found
  const made = new SharedArrayBuffer(size)
  setEnvironmentData(name, made as never)
  return made
}

export function arm(next: Armed | undefined): void {
  Atomics.store(state, ARMED, 0)
  if (!next) return
  Atomics.store(state, LEFT, next.pass)
  Atomics.store(state, SIGNAL, SIGNALS.indexOf(next.signal))
  Atomics.store(state, ARMED, NAMES.indexOf(next.failpoint) + 1)
}

/** Called wherever the process passes a failpoint. Where it is the armed one, nothing after this line happens. */
export function reach(failpoint: Failpoint): void {
  if (Atomics.load(state, ARMED) !== NAMES.indexOf(failpoint) + 1) return
  if (Atomics.sub(state, LEFT, 1) > 1) return
  Atomics.store(state, ARMED, 0)
  tell({ reached: failpoint })
  process.kill(process.pid, SIGNALS[Atomics.load(state, SIGNAL)])
}

/** A line for the test. Written at once: after a SIGKILL nothing else leaves. */
export const tell = (fact: Readonly<Record<string, unknown>>): void => {
  writeSync(1, `${JSON.stringify(fact)}\n`)
}
