import { readFileSync } from 'node:fs'
import { expect } from 'chai'
import { until } from '../crash/helpers/until.ts'
import { type TestApp, testApp } from '../service/app.ts'

describe('audit', () => {
  let app: TestApp | undefined
  afterEach(async () => {
    await app?.cleanUp()
    app = undefined
  })

  it('tells who did what to what, in order, to operators; and nobody changes it', async () => {
    app = await testApp({
      subscriptions: { orders: { on: '*', handler: 'test/service/handlers', retry: { attempts: 1 } } },
    })
    const { request } = app
    const cockpit = '/odata/v4/cockpit'
    const read = async (path: string) => (await request(cockpit + path, { user: 'operator' })).json().value
    const dead = () => until('it is dead', async () => (await read('/Dispatches'))[0]?.status === 'dead')
    await app.deliver('1', '{"fail":"for good"}')
    await dead()
    const [dispatch] = await read('/Dispatches')
    const one = `/Dispatches('${encodeURIComponent(String(dispatch?.ID))}')`
    const acted: string[] = []
    const act = async (path: string, body: object = {}) => {
      const answer = await request(cockpit + path, { user: 'operator', method: 'POST', body })
      expect(answer.status, answer.text).to.be.oneOf([200, 204])
      acted.push(path.replace(/^.*[./]/, ''))
    }
    await act(`${one}/CockpitService.retry`)
    await dead()
    await act(`${one}/CockpitService.discard`)
    await act(`/Subscriptions('orders')/CockpitService.pause`)
    await act('/replay', { event: dispatch?.event })
    await act(`/Subscriptions('orders')/CockpitService.resume`)
    await act(`/Subscriptions('orders')/CockpitService.unregister`)
    const audit = await read('/Audit?$orderby=at')
    expect(audit.map(({ actor, action, object }) => [actor, action, object])).to.deep.equal([
      ['operator', 'retry', dispatch?.ID],
      ['operator', 'discard', dispatch?.ID],
      ['operator', 'pause', 'orders'],
      ['operator', 'replay', dispatch?.event],
      ['operator', 'resume', 'orders'],
      ['operator', 'unregister', 'orders'],
    ])
    const model = readFileSync(new URL('../../srv/cockpit-service.cds', import.meta.url), 'utf8')
    const actions = [...model.matchAll(/^\s*action (\w+)/gm)].map(([, name]) => name)
    expect(acted, 'every action there is').to.have.members(actions)
    expect(audit.map(({ action }) => action)).to.deep.equal(acted)
    // What a viewer asks for in vain has not happened, and a record stays as it is.
    const denied = await request(`${cockpit}/Subscriptions('orders')/CockpitService.pause`, {
      user: 'viewer',
      method: 'POST',
      body: {},
    })
    expect(denied.status).to.equal(403)
    for (const method of ['PATCH', 'DELETE']) {
      const answer = await request(`${cockpit}/Audit(${audit[0]?.ID})`, { user: 'operator', method, body: {} })
      expect(answer.status).to.equal(405)
    }
    expect(
      (await request(`${cockpit}/Audit`, { user: 'operator', method: 'POST', body: { actor: 'me' } })).status,
    ).to.equal(405)
    expect(await read('/Audit')).to.have.length(acted.length)
    expect((await request(`${cockpit}/Audit`, { user: 'nobody' })).status).to.equal(403)
  })
})
