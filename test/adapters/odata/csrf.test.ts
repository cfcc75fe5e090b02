import { expect } from 'chai'
import { dispatchScopes } from '../../helpers/dispatch-scopes.ts'
import { faultOf } from '../../helpers/faults.ts'
import { cut, reply, type SeenRequest } from '../../helpers/scripted-server.ts'
import { created, isRoot, openings, withToken } from './support.ts'

const open = openings()
const session = ({ target }: Awaited<ReturnType<typeof open>>) => target.session(dispatchScopes().nextTry())
const create = (opened: Awaited<ReturnType<typeof open>>, reference = 'r') =>
  session(opened).create('Orders', {}, { reference })
const required = { 'x-csrf-token': 'Required' }
const signal = new AbortController().signal

/** A server whose token and cookies are bound to each other, and die on command. */
function sapLike() {
  let generation = 0
  let valid = 0
  return {
    expire: () => {
      valid = 0
    },
    script: (request: SeenRequest, response: Parameters<typeof reply>[0]) => {
      if (isRoot(request)) {
        valid = ++generation
        const cookies = [
          `SAP_SESSIONID_S4H_100=s${valid}%3d%3d; path=/; HttpOnly`,
          `sap-XSRF_S4H_100="x=${valid}"; secure`,
        ]
        return reply(response, 200, undefined, { 'x-csrf-token': `t${valid}`, 'set-cookie': cookies })
      }
      const good =
        valid > 0 &&
        request.headers['x-csrf-token'] === `t${valid}` &&
        request.headers.cookie === `SAP_SESSIONID_S4H_100=s${valid}%3d%3d; sap-XSRF_S4H_100="x=${valid}"`
      return good ? created(response) : reply(response, 403, 'CSRF token validation failed', required)
    },
  }
}

describe('CSRF token and cookies', () => {
  it('are fetched once by HEAD at the root with its slash, kept, and sent as the server set them', async () => {
    const opened = await open(sapLike().script)
    for (let n = 0; n < 3; n++) await create(opened)
    expect(opened.server.log).to.deep.equal(['HEAD /srv/', 'POST /srv/Orders', 'POST /srv/Orders', 'POST /srv/Orders'])
    expect(opened.server.requests[0]?.headers['x-csrf-token']).to.equal('Fetch')
  })

  // Mutation: drop the session without asking whether it is the refused one (csrf.ts `drop`), or fetch without `pending`:
  // the writers then fetch 2 to 50 tokens and kill each other's sessions (tried both).
  it('are renewed by one request however many writers are refused at once', async () => {
    const sap = sapLike()
    const opened = await open(sap.script)
    await create(opened)
    sap.expire()
    await Promise.all(Array.from({ length: 50 }, (_, n) => create(opened, `r${n}`)))
    const fetches = opened.server.requests.filter(({ method }) => method === 'HEAD')
    expect(fetches).to.have.length(2)
    expect(fetches[1]?.headers.cookie, 'the dead session’s cookies are gone').to.equal(undefined)
  })

  it('are fetched by one request also by 50 first writers', async () => {
    const opened = await open(sapLike().script)
    await Promise.all(Array.from({ length: 50 }, (_, n) => create(opened, `r${n}`)))
    expect(opened.server.log.filter((line) => line === 'HEAD /srv/')).to.have.length(1)
    expect(opened.server.requests).to.have.length(51)
  })

  it('are tried anew once per write, then the fault is transient and without effect', async () => {
    const opened = await open(withToken((_, response) => reply(response, 403, 'no', required)))
    expect(await faultOf(create(opened))).to.include({ code: 'target-csrf', retry: 'backoff', effect: 'none' })
    expect(opened.server.log.filter((line) => line.startsWith('POST'))).to.have.length(2)
  })

  it('are kept when a 403 is about authorization', async () => {
    const opened = await open(withToken((_, response) => reply(response, 403, {})))
    expect(await faultOf(create(opened))).to.include({ code: 'target-forbidden', retry: 'never' })
    await faultOf(create(opened))
    expect(opened.server.log).to.deep.equal(['HEAD /srv/', 'POST /srv/Orders', 'POST /srv/Orders'])
  })

  it('follow cookies the server rotates, adds and deletes', async () => {
    const rotations = [
      ['SAP_SESSIONID=2; path=/', 'lb=a=b==; path=/'],
      ['lb=; Max-Age=0'],
      ['SAP_SESSIONID=; expires=Thu, 01 Jan 1970 00:00:00 GMT'],
      [],
    ]
    const opened = await open(
      withToken(
        (_, response) => {
          const cookies = rotations.shift() ?? []
          reply(response, 201, { ID: '1' }, { 'set-cookie': cookies })
        },
        't',
        ['SAP_SESSIONID=1; path=/'],
      ),
    )
    for (let n = 0; n < 4; n++) await create(opened)
    expect(opened.server.requests.map(({ headers }) => headers.cookie)).to.deep.equal([
      undefined,
      'SAP_SESSIONID=1',
      'SAP_SESSIONID=2; lb=a=b==',
      'SAP_SESSIONID=2',
      undefined,
    ])
  })

  // Mutation: let answers fill the jar of the newest session instead of their own (http-session.ts: absorb into
  // `csrf.current().cookies`): the late answer's cookie replaces the one the token is bound to (tried).
  it('are not touched by the late answer to a request of an older session', async () => {
    const held = Promise.withResolvers<Parameters<typeof reply>[0]>()
    const script = withToken(
      (request, response) => (request.method === 'POST' ? created(response) : held.resolve(response)),
      't',
      ['SAP_SESSIONID=new'],
    )
    const opened = await open(script)
    const reading = opened.target.fetch('Orders', { ID: '1' }, signal)
    const late = await held.promise
    await create(opened)
    reply(late, 200, { ID: '1' }, { 'set-cookie': ['SAP_SESSIONID=old'] })
    await reading
    await create(opened)
    expect(opened.server.requests.at(-1)?.headers.cookie).to.equal('SAP_SESSIONID=new')
  })

  it('come by GET where HEAD gives none, and with any status', async () => {
    const opened = await open((request, response) => {
      if (request.method === 'HEAD') return reply(response, 405)
      if (isRoot(request)) return reply(response, 404, {}, { 'x-csrf-token': 'late' })
      return created(response)
    })
    await create(opened)
    expect(opened.server.log).to.deep.equal(['HEAD /srv/', 'GET /srv/', 'POST /srv/Orders'])
    expect(opened.server.requests[2]?.headers['x-csrf-token']).to.equal('late')
  })

  it('are left out where the service has none, or is said to have none', async () => {
    const opened = await open((request, response) => (isRoot(request) ? reply(response, 200, {}) : created(response)))
    await create(opened)
    await create(opened)
    expect(opened.server.log).to.deep.equal(['HEAD /srv/', 'GET /srv/', 'POST /srv/Orders', 'POST /srv/Orders'])
    const without = await open((_, response) => created(response), { csrf: false })
    await create(without)
    expect(without.server.log).to.deep.equal(['POST /srv/Orders'])
  })

  it('that cannot be fetched are a fault without effect: the write was not sent', async () => {
    const scopes = dispatchScopes()
    const { target } = await open((_, response) => cut(response))
    const fault = await faultOf(target.session(scopes.nextTry()).create('Orders', {}, { reference: 'r' }))
    expect(fault).to.include({ code: 'target-connection-lost', effect: 'none' })
    expect(scopes.sent).to.have.length(0)
  })
})
