import { expect } from 'chai'
import { http, xmlToJson } from '../../adapters/sources/index.ts'
import type { HandlerEvent } from '../../srv/gateway.ts'
import { type FrontDoor, frontDoor } from '../helpers/front-door.ts'
import { untilSo } from '../helpers/turns.ts'

describe('gateway: XML to JSON where a subscription asks', () => {
  let door: FrontDoor
  const seen: Record<string, HandlerEvent[]> = { raw: [], json: [] }
  const ended = () => [...door.state.dispatches.values()].filter(({ status }) => status !== 'waiting')

  before(async () => {
    const subscription = (name: string) => ({
      name,
      on: ['*'],
      handler: async (event: HandlerEvent) => void seen[name]?.push(event),
    })
    door = await frontDoor({
      mount: 'node:http',
      sources: { orders: http({ path: 'orders', auth: { kind: 'none' }, csrf: false }) },
      subscriptions: [
        subscription('raw'),
        { ...subscription('json'), convert: xmlToJson({ arrays: ['Order/Item'] }), retry: { attempts: 9 } },
      ],
    })
  })
  after(() => door.close())

  const post = (body: string) => door.send({ path: '/http/orders', body, headers: { 'content-type': 'text/xml' } })

  it('gives its handler JSON, and every other what came', async () => {
    const body = '<Order><Item>1</Item></Order>'
    expect((await post(body)).status).to.equal(200)
    await untilSo(() => ended().length === 2)
    const [[raw], [json]] = [seen.raw ?? [], seen.json ?? []]
    expect([raw?.data, raw?.datacontenttype]).to.deep.equal([body, 'text/xml'])
    expect([json?.data, json?.datacontenttype]).to.deep.equal([{ Order: { Item: ['1'] } }, 'application/json'])
    expect(json?.dataText).to.equal('{"Order":{"Item":["1"]}}')
    expect(json?.key).to.equal(raw?.key)
    expect(door.events().map(({ data }) => data)).to.deep.equal([body])
  })

  it('ends its dispatch at once where the body is no XML or an attack, and none else’s', async () => {
    await post('<Order>')
    await post('<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><Order>&x;</Order>')
    await untilSo(() => ended().length === 6)
    expect(seen.raw).to.have.length(3)
    expect(seen.json).to.have.length(1)
    const dead = ended().filter(({ status }) => status === 'dead')
    expect(dead.map(({ subscription, reason, attempts }) => [subscription, reason, attempts])).to.deep.equal([
      ['json', 'not-xml', 1],
      ['json', 'xml-forbidden', 1],
    ])
  })
})
