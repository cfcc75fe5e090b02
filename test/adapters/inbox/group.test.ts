import { expect } from 'chai'
import { SluiceError } from '#domain/errors'
import { groupCommit } from '../../../adapters/inbox/postgres/group.ts'
import { turns } from '../../helpers/turns.ts'

/** A commit that ends when the test says so. */
function gate() {
  const batches: number[][] = []
  const endings: { resolve(): void; reject(error: unknown): void }[] = []
  const arrivals: (() => void)[] = []
  return {
    batches,
    commit: (items: readonly number[]) =>
      new Promise<readonly string[]>((resolve, reject) => {
        batches.push([...items])
        endings.push({ resolve: () => resolve(items.map(String)), reject })
        for (const arrived of arrivals.splice(0)) arrived()
      }),
    /** The next commit that is under way. */
    async next() {
      if (endings.length === 0) await new Promise<void>((resolve) => arrivals.push(resolve))
      const ending = endings.shift()
      if (!ending) throw new Error('no commit is under way')
      return ending
    },
  }
}

const LIMITS = { items: 4, bytes: 100 }

describe('group commit', () => {
  it('lets what arrives during a commit share the next one, in order', async () => {
    const { commit, next, batches } = gate()
    const store = groupCommit(commit, () => 1, LIMITS)
    const early = [store([1]), store([2, 3])]
    const first = await next()
    const late = [store([4]), store([5])]
    await turns()
    expect(batches, 'one commit at a time: a later one would get the earlier positions').to.have.length(1)
    first.resolve()
    ;(await next()).resolve()
    expect(await Promise.all([...early, ...late])).to.deep.equal([['1'], ['2', '3'], ['4'], ['5']])
    expect(batches).to.deep.equal([
      [1, 2, 3],
      [4, 5],
    ])
  })

  it('bounds a commit by number and bytes, and never splits a call', async () => {
    const { commit, next, batches } = gate()
    const store = groupCommit(commit, (item) => item, LIMITS)
    const calls = [store([1, 1, 1]), store([1, 1]), store([99, 99, 99]), store([60]), store([60])]
    for (let commits = 0; commits < 5; commits += 1) (await next()).resolve()
    await Promise.all(calls)
    expect(batches).to.deep.equal([[1, 1, 1], [1, 1], [99, 99, 99], [60], [60]])
  })

  it('fails every call of a commit that failed, and goes on with the next', async () => {
    const { commit, next } = gate()
    const store = groupCommit(commit, () => 1, LIMITS)
    const calls = [store([1]), store([2])]
    const results = Promise.allSettled(calls)
    const fault = new Error('gone')
    ;(await next()).reject(fault)
    expect(await results).to.deep.equal(calls.map(() => ({ status: 'rejected', reason: fault })))
    const later = store([3])
    ;(await next()).resolve()
    expect(await later).to.deep.equal(['3'])
  })

  it('gives each call a commit of its own where one of them is refused as data', async () => {
    const refused = new SluiceError('store-rejected', 'no')
    const store = groupCommit(
      async (items: readonly number[]) => {
        if (items.includes(2)) throw refused
        return items.map(String)
      },
      () => 1,
      LIMITS,
    )
    expect(await Promise.allSettled([store([1]), store([2]), store([3])])).to.deep.equal([
      { status: 'fulfilled', value: ['1'] },
      { status: 'rejected', reason: refused },
      { status: 'fulfilled', value: ['3'] },
    ])
  })
})
