import { expect } from 'chai'
import type { ChangesPage, Key, Target } from '#domain/target'
import { dispatchScopes } from '../helpers/dispatch-scopes.ts'

/** One target with a system behind it that the suite can look into and disturb. Its `settleMs` is 60,000. */
export interface TargetFixture {
  readonly target: Target
  /** Its entity has `object`, `version`, `reference` and `guard`. */
  readonly entity: string
  readonly settleMs: number
  /** What a new record needs, and a value for its `changing` element. */
  sample(value: string): Readonly<Record<string, unknown>>
  readonly changing: string
  /** The values of `changing` in the system's own rows with this reference. */
  values(reference: string): Promise<readonly string[]>
  /** Someone else changes the record. */
  changeBehind(key: Key, value: string): Promise<void>
  /** The next write commits, then its answer is lost. */
  loseNextAnswer(): Promise<void>
  /** The next write's connection breaks at once; it commits at `release`. */
  holdNextCommit(): Promise<void>
  release(): Promise<void>
  /** Requests the system has seen, tokens and sign-on included. */
  requests(): Promise<number>
}

const unique = (() => {
  let count = 0
  return (name: string) => `${name}-${process.pid}-${++count}`
})()

/** What the tests of a target start from. */
export function targetTools(fixture: () => TargetFixture) {
  const open = (reference = unique('ref')) => {
    const { target, entity, sample } = fixture()
    const scopes = dispatchScopes()
    const create = (value = 'A') => target.session(scopes.nextTry()).create(entity, sample(value), { reference })
    return { target, entity, scopes, reference, create, sample }
  }
  const created = async () => {
    const opened = open()
    const { key } = await opened.create()
    expect(key).to.be.an('object')
    return { ...opened, key: key as Key }
  }
  const patch = (value: string) => ({ [fixture().changing]: value })
  return { open, created, patch }
}

/** All pages of the change feed. */
export async function everything(target: Target, entity: string, pageSize: number, since?: string) {
  const rows: ChangesPage['rows'][number][] = []
  let after: string | undefined
  do {
    const page: ChangesPage | undefined = await target.changes?.({
      entity,
      pageSize,
      signal: new AbortController().signal,
      ...(since && { since }),
      ...(after && { after }),
    })
    rows.push(...(page?.rows ?? []))
    after = page?.next
  } while (after)
  return rows
}
