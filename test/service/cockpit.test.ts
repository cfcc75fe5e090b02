import { expect } from 'chai'
import { type TestDatabase, testDatabase } from '../helpers/postgres.ts'
import { type TestApp, testApp } from './app.ts'

const COCKPIT = '/odata/v4/cockpit'

describe('the operator service', () => {
  let app: TestApp
  before(async () => {
    app = await testApp({
      sources: {
        pings: {
          kind: 'hmac',
          secrets: ['env:TEST_SECRET'],
          header: 'x-signature',
          type: 'x-event-type',
          identity: { hashWindowMs: 86_400_000 },
        },
      },
      subscriptions: {
        orders: { on: '*', handler: 'test/service/handlers', order: 'park', retry: { attempts: 1 } },
        former: { on: 'invoice.*', handler: 'test/service/handlers' },
      },
    })
  })
  after(() => app.cleanUp())

  const read = async (path: string) => (await app.request(`${COCKPIT}/${path}`, { user: 'operator' })).json().value
  const dispatchOf = async (id: string) => {
    const [event] = await read(`Events?$filter=id eq '${id}'&$expand=dispatches`)
    return (event?.dispatches as Record<string, unknown>[] | undefined)?.at(-1)
  }
  const ended = async (id: string, status: string) => {
    for (;;) {
      const dispatch = await dispatchOf(id)
      if (dispatch?.status === status) return dispatch
      if (dispatch && dispatch.status !== 'waiting') throw new Error(`${id} ended ${dispatch.status}`)
    }
  }
  const act = (path: string, user: string, body: unknown = {}) =>
    app.request(`${COCKPIT}/${path}`, { user, method: 'POST', body })

  it('refuses who does not say who they are, and who has no role', async () => {
    expect((await app.request(`${COCKPIT}/Events`)).status).to.equal(401)
    expect((await app.request(`${COCKPIT}/Events`, { user: 'nobody' })).status).to.equal(403)
    expect((await app.request(`${COCKPIT}/Events`, { user: 'viewer' })).status).to.equal(200)
  })

  it('lists with paging, filter and sort, and never with payload columns', async () => {
    for (const id of ['a1', 'a2', 'a3']) expect((await app.deliver(id, `{"secret":"${id}"}`)).status).to.equal(200)
    const [page] = await read('Events?$orderby=id desc&$top=1&$skip=1')
    expect(page?.id).to.equal('a2')
    expect((await read(`Events?$filter=id eq 'a3' and origin eq 'orders'`)).length).to.equal(1)
    const counted = await app.request(`${COCKPIT}/Events?$count=true&$top=0`, { user: 'viewer' })
    expect(counted.json<{ '@odata.count': number }>()['@odata.count']).to.equal(3)
    const all = await app.request(`${COCKPIT}/Events?$expand=dispatches($expand=history)`, { user: 'viewer' })
    expect(all.text).not.to.include('secret')
    for (const payload of ['Events?$select=data', 'Events?$select=dataBase64', 'Dispatches?$select=result']) {
      expect((await app.request(`${COCKPIT}/${payload}`, { user: 'viewer' })).status, payload).to.equal(400)
    }
  })

  it('lists a hundred at once and leads on to the others, where nobody asks for fewer', async () => {
    await Promise.all(Array.from({ length: 101 }, (_, n) => app.deliver(`many-${n}`)))
    for (const entity of ['Events', 'Dispatches', 'Deliveries']) {
      const page = (await app.request(`${COCKPIT}/${entity}`, { user: 'viewer' })).json<{ value: unknown[] }>()
      expect(page.value, entity).to.have.length(100)
      expect(page, entity).to.have.property('@odata.nextLink')
    }
  })

  for (const entity of [
    'Sources',
    'Deliveries',
    'Dispatches',
    'Lanes',
    'Attempts',
    'Checkpoints',
    'Subscriptions',
    'Rejections',
    'Audit',
  ]) {
    it(`reads ${entity}`, async () => {
      expect((await app.request(`${COCKPIT}/${entity}?$top=5`, { user: 'viewer' })).status).to.equal(200)
    })
  }

  it('finds a source by its key, filters, sorts, pages and counts', async () => {
    expect((await app.request(`${COCKPIT}/Sources('orders')`, { user: 'viewer' })).json()).to.include({ kind: 'hmac' })
    expect((await app.request(`${COCKPIT}/Sources('nope')`, { user: 'viewer' })).status).to.equal(404)
    expect(await read(`Sources?$filter=name eq 'orders' and startswith(path,'/webhooks')`)).to.have.length(1)
    expect(await read(`Sources?$filter=name eq 'nope' or not (kind in ('hmac'))`)).to.deep.equal([])
    expect((await read('Sources?$orderby=name desc&$top=1&$skip=1')).map(({ name }) => name)).to.deep.equal(['orders'])
    expect((await app.request(`${COCKPIT}/Sources/$count`, { user: 'viewer' })).text).to.equal('2')
    expect((await app.request(`${COCKPIT}/Sources?$filter=length(name) gt 1`, { user: 'viewer' })).status).to.equal(501)
  })

  it('says of two deliveries that became one event because nothing but their content is known', async () => {
    const answers = [
      await app.deliver('none', '{"ping":1}', 'ping', 'pings'),
      await app.deliver('none', '{"ping":1}', 'ping', 'pings'),
      await app.deliver('twice', '{"ping":1}'),
      await app.deliver('twice', '{"ping":1}'),
    ]
    const said = answers.map(({ status, json }) => [status, json<{ status: string; delivery: string }>()] as const)
    const keys = said.map(([, { delivery }]) => delivery)
    const outcomes = ['accepted', 'duplicate', 'accepted', 'duplicate']
    expect(said, 'what the sender hears').to.deep.equal(
      outcomes.map((status, n) => [200, { status, delivery: keys[n] }]),
    )
    const rows = await read(`Deliveries?$filter=ID in (${keys})&$orderby=ID`)
    expect(rows.map(({ outcome, reason }) => [outcome, reason])).to.deep.equal([
      ['accepted', null],
      ['duplicate', 'equal-content'],
      ['accepted', null],
      ['duplicate', null],
    ])
  })

  it('lets nobody write to a table', async () => {
    const [event] = await read('Events?$top=1')
    const path = `${COCKPIT}/Events(${event?.event})`
    expect((await app.request(path, { user: 'operator', method: 'DELETE' })).status).to.equal(405)
    expect((await app.request(path, { user: 'operator', method: 'PATCH', body: { type: 'x' } })).status).to.equal(405)
  })

  it('shows the data of one event to an operator only', async () => {
    await app.deliver('with-data', '{"amount":12345678901234567890}')
    const [event] = await read(`Events?$filter=id eq 'with-data'`)
    const path = `${COCKPIT}/data(event=${event?.event})`
    expect((await app.request(path, { user: 'viewer' })).status).to.equal(403)
    const shown = await app.request(path, { user: 'operator' })
    expect(shown.json<{ value: string }>().value).to.equal('{"amount":12345678901234567890}')
  })

  it('replays an event as a new run, twice if asked twice', async () => {
    await app.deliver('again')
    await ended('again', 'done')
    const [event] = await read(`Events?$filter=id eq 'again'`)
    expect((await act('replay', 'viewer', { event: event?.event })).status).to.equal(403)
    for (let run = 2; run <= 3; run++) {
      const answer = await act('replay', 'operator', { event: event?.event, subscription: 'orders' })
      expect(answer.json<{ value: string[] }>().value).to.deep.equal([`${event?.event}:orders:${run}`])
    }
    for (;;) {
      const runs = await read(`Dispatches?$filter=event eq ${event?.event} and status eq 'done'`)
      if (runs.length === 3) break
    }
    expect((await act('replay', 'operator', { event: '01900000-0000-7000-8000-000000000000' })).status).to.equal(404)
  })

  it('retries and discards what is dead, with an audit of who did it', async () => {
    await app.deliver('dies', '{"fail":"the ERP says no"}')
    const dead = await ended('dies', 'dead')
    for (const action of ['retry', 'discard']) {
      expect((await act(`Dispatches('${dead.ID}')/CockpitService.${action}`, 'viewer')).status).to.equal(403)
    }
    expect((await act(`Dispatches('${dead.ID}')/CockpitService.retry`, 'operator')).status).to.equal(204)
    await ended('dies', 'dead')
    const attempts = await read(`Attempts?$filter=dispatch eq '${dead.ID}'&$orderby=n`)
    expect(attempts.map(({ n, outcome, message }) => [n, outcome, message])).to.deep.equal([
      [1, 'failed', 'the ERP says no'],
      [2, 'failed', 'the ERP says no'],
    ])
    expect((await act(`Dispatches('${dead.ID}')/CockpitService.discard`, 'operator')).status).to.equal(204)
    await ended('dies', 'skipped')
    expect((await act(`Dispatches('${dead.ID}')/CockpitService.retry`, 'operator')).status).to.equal(409)
    const audit = await read(`Audit?$filter=object eq '${dead.ID}'&$orderby=at`)
    expect(audit.map(({ actor, action }) => `${actor} ${action}`)).to.deep.equal(['operator retry', 'operator discard'])
  })

  it('pauses and resumes a subscription', async () => {
    expect((await act(`Subscriptions('orders')/CockpitService.pause`, 'operator')).status).to.equal(204)
    await app.deliver('while-paused')
    expect((await dispatchOf('while-paused'))?.status).to.equal('waiting')
    expect((await act(`Subscriptions('orders')/CockpitService.resume`, 'operator')).status).to.equal(204)
    await ended('while-paused', 'done')
  })

  it('names the subscriptions there are where there is none of that name', async () => {
    expect((await act(`Subscriptions('former')/CockpitService.unregister`, 'operator')).status).to.equal(204)
    for (const action of ['pause', 'resume', 'unregister']) {
      const path = `Subscriptions('oders')/CockpitService.${action}`
      const { status, text } = await act(path, 'operator')
      expect(status).to.equal(404)
      expect(text).to.include('There is no subscription \\"oders\\". There are: orders.')
      expect((await act(path, 'viewer')).status).to.equal(403)
    }
  })

  it('survives what a handler throws or forgets', async () => {
    await app.deliver('type-error', '{"fail":"type-error"}')
    await ended('type-error', 'dead')
    await app.deliver('floating', '{"fail":"floating"}')
    await ended('floating', 'dead')
    await app.deliver('after')
    await ended('after', 'done')
    expect((await app.request('/health')).status).to.equal(200)
  })
})

describe('the operator service on Postgres', () => {
  let database: TestDatabase | undefined
  let app: TestApp | undefined
  before(async function () {
    database = await testDatabase(this)
    const { credentials } = database
    app = await testApp({}, { 'sluice-db': { kind: 'postgres', credentials, pool: { max: 1 } } })
  })
  after(async () => {
    await app?.cleanUp()
    await database?.drop()
  })

  // Mutation tried: where reads share the request's transaction it holds the only connection, and the next one waits for it.
  for (const [user, second] of [
    ['viewer', { method: 'GET', url: 'Sources' }],
    ['operator', { method: 'POST', url: 'replay', body: { event: '0190a000-0000-7000-8000-000000000000' } }],
  ] as const) {
    it(`goes on taking deliveries while a ${user} asks for several things in one $batch`, async () => {
      const headers = { 'content-type': 'application/json' }
      const requests = [
        { id: '1', atomicityGroup: 'g', method: 'GET', url: 'Events?$top=1' },
        { id: '2', atomicityGroup: 'g', headers, ...second },
      ]
      const answer = await app?.request(`${COCKPIT}/$batch`, { user, method: 'POST', body: { requests } })
      const statuses = answer?.json<{ responses: { status: number }[] }>().responses.map(({ status }) => status)
      expect(statuses?.at(-1)).to.equal(user === 'viewer' ? 200 : 404)
      expect((await app?.deliver(`beside-a-batch-of-${user}`))?.status).to.equal(200)
    })
  }
})
