import { expect } from 'chai'
import { PermanentError } from '../../srv/gateway.ts'
import { frontDoor } from '../helpers/front-door.ts'
import { hmacSource, signed } from '../helpers/hmac-source.ts'
import { turns, untilSo } from '../helpers/turns.ts'

/** So long that what happens in the test was not found by looking again and again. */
const worker = { idleMs: 86_400_000 }

/** All events in one lane. */
const source = hmacSource({
  normalize: ({ headers, body }) => {
    const id = headers['x-id']?.[0] ?? ''
    const attributes = { id, source: '/shop', type: 'order.created', partitionkey: 'one' }
    return [{ ok: true, draft: { identity: { id }, attributes, nature: 'fact', data: Buffer.from(body).toString() } }]
  },
})

/** A gateway whose handler records, and fails for good while `broken`. */
async function shop() {
  const seen: string[] = []
  const state = { broken: false, seen }
  const door = await frontDoor({
    worker,
    sources: { shop: source },
    subscriptions: [
      {
        name: 'book',
        on: ['*'],
        order: 'block',
        handler: ({ id }, { run }) => {
          if (state.broken) throw new PermanentError('broken')
          seen.push(`${id}:${run}`)
        },
      },
    ],
  })
  const send = async (id: string) => {
    const body = `{"id":"${id}"}`
    await door.send({ headers: signed(body, { 'x-id': id }), body })
    return door.events().at(-1)?.key ?? ''
  }
  const ends = (id: string, status: string) => untilSo(() => door.state.dispatches.get(id)?.status === status)
  return { door, state, send, ends }
}

// Mutation: hand out `inbox.admin` itself in srv/gateway.ts; each of these then waits for the idle worker (tried).
describe('gateway: what an operator sets going', () => {
  let opened: Awaited<ReturnType<typeof shop>> | undefined
  const open = async () => {
    opened = await shop()
    return opened
  }
  afterEach(() => opened?.door.close())

  it('runs a replay at once', async () => {
    const { door, state, send, ends } = await open()
    const event = await send('a')
    await ends(`${event}:book:1`, 'done')
    await turns()
    await door.gateway.admin.replay(event, undefined, 'ann')
    await ends(`${event}:book:2`, 'done')
    expect(state.seen).to.deep.equal(['a:1', 'a:2'])
  })

  it('tries again at once', async () => {
    const { door, state, send, ends } = await open()
    state.broken = true
    const event = await send('a')
    await ends(`${event}:book:1`, 'dead')
    await turns()
    state.broken = false
    await door.gateway.admin.retry(`${event}:book:1`, 'ann')
    await ends(`${event}:book:1`, 'done')
  })

  it('goes on at once behind what was discarded', async () => {
    const { door, state, send, ends } = await open()
    state.broken = true
    const dead = await send('a')
    await ends(`${dead}:book:1`, 'dead')
    const behind = await send('b')
    await turns()
    state.broken = false
    expect(state.seen).to.deep.equal([])
    await door.gateway.admin.discard(`${dead}:book:1`, 'ann')
    await ends(`${behind}:book:1`, 'done')
  })

  it('works off at once what a pause has held back', async () => {
    const { door, state, send, ends } = await open()
    await door.gateway.admin.pause('book', 'ann')
    const event = await send('a')
    await turns()
    expect(state.seen).to.deep.equal([])
    await door.gateway.admin.resume('book', 'ann')
    await ends(`${event}:book:1`, 'done')
  })

  it('still says what was refused', async () => {
    const { door } = await open()
    expect(await door.gateway.admin.retry('nothing', 'ann')).to.deep.equal({ ok: false, reason: 'not-found' })
  })
})
