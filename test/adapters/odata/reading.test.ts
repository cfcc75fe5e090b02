import { expect } from 'chai'
import { dispatchScopes } from '../../helpers/dispatch-scopes.ts'
import { faultOf } from '../../helpers/faults.ts'
import { reply } from '../../helpers/scripted-server.ts'
import { openings, record } from './support.ts'

const open = openings()

describe('reading', () => {
  it('follows the server’s pages up to the number asked for, on our own address', async () => {
    const { server, target } = await open((request, response) => {
      const skip = Number(new URL(request.url, 'http://x').searchParams.get('$skiptoken') ?? 0)
      reply(response, 200, {
        value: [{ ID: String(skip) }, { ID: String(skip + 1) }],
        '@odata.nextLink': `http://internal:8000/other/Orders?sap-client=1&$skiptoken=${skip + 2}`,
      })
    })
    const session = target.session(dispatchScopes().nextTry())
    const found = await session.find('Orders', { A: 'x' }, { top: 5 })
    expect(found.map(({ data }) => data.ID)).to.deep.equal(['0', '1', '2', '3', '4'])
    expect(server.requests.map(({ url }) => decodeURIComponent(url))).to.deep.equal([
      "/srv/Orders?$filter=A eq 'x'&$top=5",
      '/srv/Orders?$skiptoken=2',
      '/srv/Orders?$skiptoken=4',
    ])
  })

  it('ends where a server’s empty pages do not', async () => {
    const { target } = await open((_, response) =>
      reply(response, 200, { value: [], '@odata.nextLink': 'Orders?$skiptoken=1' }),
    )
    const fault = await faultOf(target.session(dispatchScopes().nextTry()).find('Orders', { A: 'x' }))
    expect(fault.code).to.equal('target-answer-unreadable')
  })

  it('expands on request, and refuses names that are none', async () => {
    const { server, target } = await open((_, response) => reply(response, 200, record('1')))
    const session = target.session(dispatchScopes().nextTry())
    await session.read('Orders', { ID: '1' }, { expand: ['Items', 'Items/Parts'] })
    expect(server.requests[0]?.url).to.equal("/srv/Orders('1')?$expand=Items%2CItems%2FParts")
    const fault = await faultOf(session.read('Orders', { ID: '1' }, { expand: ['Items&$filter=x'] }))
    expect(fault.code).to.equal('invalid-value')
  })
})
