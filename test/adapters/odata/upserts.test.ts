import { expect } from 'chai'
import { dispatchScopes } from '../../helpers/dispatch-scopes.ts'
import { faultOf } from '../../helpers/faults.ts'
import { reply } from '../../helpers/scripted-server.ts'
import { at, created, isRoot, openings, record, v4Error, withToken } from './support.ts'

const open = openings()

describe('an upsert', () => {
  it('by key creates with the key in the payload, where there is no such record', async () => {
    const { server, target } = await open(
      withToken((request, response) =>
        request.method === 'GET' ? reply(response, 404, v4Error('404')) : created(response),
      ),
    )
    const session = target.session(dispatchScopes().nextTry())
    const result = await session.upsert('Orders', { key: { ID: '1' } }, { A: 1 }, { version: at(1) })
    expect(result.outcome).to.equal('created')
    expect(JSON.parse(server.requests.at(-1)?.body ?? '')).to.deep.equal({ A: 1, ID: '1', SourceAt: at(1) })
  })

  it('by key does not create again what may still be on its way', async () => {
    const { server, target } = await open(
      withToken((request, response) =>
        request.method === 'GET' ? reply(response, 404, v4Error('404')) : reply(response, 504),
      ),
    )
    const scopes = dispatchScopes()
    const upsert = () => target.session(scopes.nextTry()).upsert('Notes', { key: { ID: '1' } }, {})
    expect((await faultOf(upsert())).effect).to.equal('unknown')
    expect(await faultOf(upsert())).to.include({ code: 'settling', effect: 'unknown' })
    expect(server.log.filter((line) => line.startsWith('POST'))).to.have.length(1)
  })

  it('by a reference that two records bear touches neither', async () => {
    const { server, target } = await open(
      (request, response) =>
        void (
          isRoot(request) ||
          reply(response, 200, { value: [record('1', { Ref: 'r' }), record('2', { ID: '2', Ref: 'R ' })] })
        ),
    )
    const session = target.session(dispatchScopes().nextTry())
    const fault = await faultOf(session.upsert('Orders', { reference: 'r' }, { A: 1 }))
    expect(fault).to.include({ code: 'target-ambiguous', retry: 'never' })
    expect(server.log).to.deep.equal(['GET /srv/Orders'])
  })

  it('by reference creates no second record where the first one shows no key', async () => {
    const { server, target } = await open(
      withToken((request, response) =>
        request.method === 'GET' ? reply(response, 200, { value: [{ Number: '1', Ref: 'r' }] }) : created(response),
      ),
    )
    const session = target.session(dispatchScopes().nextTry())
    const fault = await faultOf(session.upsert('Orders', { reference: 'r' }, { A: 1 }))
    expect(fault).to.include({ code: 'configuration', retry: 'never' })
    expect(server.log).to.deep.equal(['GET /srv/Orders'])
  })

  it('by reference needs an element for it', async () => {
    const { target } = await open(() => undefined)
    const session = target.session(dispatchScopes().nextTry())
    expect((await faultOf(session.upsert('Notes', { reference: 'r' }, {}))).code).to.equal('configuration')
  })
})
