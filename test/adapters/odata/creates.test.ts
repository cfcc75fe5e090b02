import { expect } from 'chai'
import { dispatchScopes } from '../../helpers/dispatch-scopes.ts'
import { faultOf } from '../../helpers/faults.ts'
import { reply } from '../../helpers/scripted-server.ts'
import { created, openings, record, v4Error, withToken } from './support.ts'

const open = openings()

describe('a create', () => {
  it('asks for the lease and says that it sends, once for each time something leaves', async () => {
    const scopes = dispatchScopes()
    let refuse = true
    const { target } = await open(
      withToken((_, response) => {
        if (!refuse) return created(response)
        refuse = false
        return reply(response, 403, 'no', { 'x-csrf-token': 'required' })
      }),
    )
    await target.session(scopes.nextTry()).create('Orders', {}, { reference: 'r' })
    expect(scopes.guards).to.equal(2)
    expect(scopes.sent).to.have.length(2)
  })

  // Mutations: without `refused()` for answers, or for what is thrown, the next try waits for `settleMs` and looks first (tried).
  for (const [what, refuse] of [
    ['busy', { status: 429, headers: { 'retry-after': '1' } }],
    ['locked', { status: 423, headers: {} }],
    ['our credentials refused', { status: 401, headers: {} }],
  ] as const) {
    it(`that was refused (${what}) is sent again without a look`, async () => {
      const scopes = dispatchScopes()
      let refusals = 1
      let passedMs = 0
      const { server, target } = await open(
        withToken((_, response) =>
          refusals-- > 0 ? reply(response, refuse.status, undefined, refuse.headers) : created(response),
        ),
        { now: () => new Date(passedMs) },
      )
      const create = () => target.session(scopes.nextTry()).create('Orders', {}, { reference: 'r' })
      expect((await faultOf(create())).effect).to.equal('none')
      passedMs = 300_000
      expect((await create()).outcome).to.equal('created')
      expect(server.log.filter((line) => line.endsWith('Orders'))).to.deep.equal([
        'POST /srv/Orders',
        'POST /srv/Orders',
      ])
    })
  }

  // Mutation: without `sent.set(effect, undefined)` in create-once.ts the ERP has it twice (tried).
  it('is made once where the handler asks for it twice in one try', async () => {
    const { server, target } = await open(
      withToken((request, response) =>
        request.method === 'GET' ? reply(response, 200, { value: [record('1', { Ref: 'r' })] }) : created(response),
      ),
    )
    const session = target.session(dispatchScopes().nextTry())
    const outcomes = [
      await session.create('Orders', {}, { reference: 'r' }),
      await session.create('Orders', {}, { reference: 'r' }),
    ].map(({ outcome }) => outcome)
    expect(outcomes).to.deep.equal(['created', 'existing'])
    expect(server.log.filter((line) => line.startsWith('POST'))).to.have.length(1)
  })

  it('sends RequestID and RepeatabilityCreation in V2, the same for every try of a step', async () => {
    const scopes = dispatchScopes()
    let failures = 1
    const { server, target } = await open(
      withToken((request, response) => {
        if (request.method === 'GET') return reply(response, 200, { d: { results: [] } })
        if (failures-- > 0) return reply(response, 504)
        return reply(response, 201, { d: { ID: '1' } })
      }),
      { version: 'v2', settleMs: 0 },
    )
    const create = () => target.session(scopes.nextTry()).create('Orders', {}, { reference: 'r' })
    await faultOf(create())
    scopes.advance(5_000)
    await create()
    await target.session(scopes.nextTry()).create('Hints', {}, { reference: 'other', step: 'hint' })
    const sent = server.requests.filter(({ method }) => method === 'POST').map(({ headers }) => headers)
    expect(sent[0]?.requestid).to.match(/^[0-9A-F]{32}$/)
    expect(sent[0]?.repeatabilitycreation).to.equal('2026-01-01T00:00:00')
    expect(sent[1]).to.include({ requestid: sent[0]?.requestid, repeatabilitycreation: '2026-01-01T00:00:00' })
    expect(sent[2]?.requestid).to.not.equal(sent[0]?.requestid)
  })

  it('sends neither in V4, nor where that is switched off', async () => {
    for (const options of [{ version: 'v4' }, { version: 'v2', repeatability: false }] as const) {
      const { server, target } = await open(
        withToken((_, response) => created(response)),
        options,
      )
      await target.session(dispatchScopes().nextTry()).create('Orders', {}, { reference: 'r' })
      expect(server.requests.at(-1)?.headers).to.not.have.any.keys('requestid', 'repeatabilitycreation')
    }
  })

  it('that cannot be looked up ends unsure, or is repeated where that was chosen', async () => {
    const { server, target } = await open(withToken((_, response) => reply(response, 502)))
    for (const [entity, code, effect] of [
      ['Notes', 'unsure', 'undecidable'],
      ['Hints', 'target-unavailable', 'unknown'],
    ] as const) {
      const scopes = dispatchScopes()
      const create = () => target.session(scopes.nextTry()).create(entity, {}, { reference: 'r' })
      expect((await faultOf(create())).effect).to.equal('unknown')
      expect(await faultOf(create()), entity).to.include({ code, effect })
    }
    expect(server.log.filter((line) => line === 'POST /srv/Notes')).to.have.length(1)
    expect(server.log.filter((line) => line === 'POST /srv/Hints')).to.have.length(2)
  })

  it('whose look-up is refused for good ends unsure, and whose look-up merely fails waits', async () => {
    let lookUp = 400
    const { server, target } = await open(
      withToken((request, response) =>
        request.method === 'GET' ? reply(response, lookUp, v4Error('X', 'not filterable')) : reply(response, 502),
      ),
      { settleMs: 0 },
    )
    const scopes = dispatchScopes()
    const create = () => target.session(scopes.nextTry()).create('Orders', {}, { reference: 'r' })
    await faultOf(create())
    expect(await faultOf(create())).to.include({ code: 'unsure', effect: 'undecidable' })
    lookUp = 503
    expect(await faultOf(create())).to.include({ code: 'target-busy', retry: 'backoff' })
    expect(server.log.filter((line) => line.startsWith('POST'))).to.have.length(1)
  })

  it('a service that is gone is never taken for a record that is not there', async () => {
    const { server, target } = await open(
      withToken((request, response) => {
        if (request.method === 'GET') return void response.writeHead(404, { 'content-type': 'text/html' }).end('<h1>')
        return reply(response, 502)
      }),
      { settleMs: 0 },
    )
    const scopes = dispatchScopes()
    const create = () => target.session(scopes.nextTry()).create('Orders', {}, { reference: 'r' })
    await faultOf(create())
    expect((await faultOf(create())).code).to.equal('unsure')
    expect(server.log.filter((line) => line.startsWith('POST'))).to.have.length(1)
  })

  it('looks up by the reference as a text, with its quotes doubled', async () => {
    const { server, target } = await open(
      withToken((request, response) =>
        request.method === 'GET'
          ? reply(response, 200, { value: [record('1', { Ref: "O'N" })] })
          : reply(response, 502),
      ),
      { settleMs: 0 },
    )
    const scopes = dispatchScopes()
    const create = () => target.session(scopes.nextTry()).create('Orders', {}, { reference: "O'N" })
    await faultOf(create())
    expect(await create()).to.deep.include({ outcome: 'existing', key: { ID: '1' } })
    expect(new URL(server.requests.at(-1)?.url ?? '', server.url).searchParams.get('$filter')).to.equal("Ref eq 'O''N'")
  })

  // Mutation: without the comparison in look-up.ts the foreign record passes for ours, and the event is lost (tried).
  it('takes no foreign record for its own where the service ignores the filter', async () => {
    const { server, target } = await open(
      withToken((request, response) =>
        request.method === 'GET'
          ? reply(response, 200, { value: [record('1', { Ref: 'other' })] })
          : reply(response, 502),
      ),
      { settleMs: 0 },
    )
    const scopes = dispatchScopes()
    const create = () => target.session(scopes.nextTry()).create('Orders', {}, { reference: 'r' })
    await faultOf(create())
    expect((await faultOf(create())).code).to.equal('unsure')
    expect(server.log.filter((line) => line.startsWith('POST'))).to.have.length(1)
  })

  it('needs a reference that can be found again', async () => {
    const { server, target } = await open(() => undefined)
    for (const reference of ['', '  ']) {
      const fault = await faultOf(target.session(dispatchScopes().nextTry()).create('Orders', {}, { reference }))
      expect(fault).to.include({ code: 'invalid-value', retry: 'never' })
    }
    expect(server.requests).to.have.length(0)
  })

  it('has succeeded whatever its answer’s body is, and tells the messages beside it', async () => {
    const messages = JSON.stringify([{ code: 'V1/555', message: 'Incomplete', numericSeverity: 3 }])
    const { target } = await open(
      withToken((_, response) => response.writeHead(201, { 'sap-messages': messages }).end('{"ID":') && undefined),
    )
    const result = await target.session(dispatchScopes().nextTry()).create('Orders', {}, { reference: 'r' })
    expect(result).to.deep.equal({ outcome: 'created', messages: ['warning: Incomplete (V1/555)'] })
  })

  it('is refused on a readonly entity', async () => {
    const { server, target } = await open(() => undefined)
    const fault = await faultOf(target.session(dispatchScopes().nextTry()).create('Lists', {}, { reference: 'r' }))
    expect(fault.code).to.equal('configuration')
    expect(server.requests).to.have.length(0)
  })
})
