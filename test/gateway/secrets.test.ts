import { expect } from 'chai'
import type { Source } from '#domain/source'
import { memoryInbox } from '../../adapters/inbox/memory/index.ts'
import { frontDoor } from '../helpers/front-door.ts'
import { hmacSource, SECRET, sign, signed } from '../helpers/hmac-source.ts'
import { untilSo } from '../helpers/turns.ts'
import { required } from '../helpers/workshop.ts'

const TOKEN = 'eyJhbGciOi-a-token'
const IBAN = 'DE02120300000000202051'
const body = JSON.stringify({ iban: IBAN })
const confidential = {
  authorization: `Bearer ${TOKEN}`,
  cookie: `session=${TOKEN}`,
  'x-api-key': TOKEN,
  'x-gitlab-token': TOKEN,
  'x-shopify-access-token': TOKEN,
  'ce-access-token': TOKEN,
}

/** Everything that is neither the payload itself nor what the event was made of. */
function everythingElse(door: Awaited<ReturnType<typeof frontDoor>>): string {
  const { deliveries, rejections, sourceStates, attempts, audit } = door.state
  const rows = [...deliveries.values()].map(({ body: _bytes, payload: _payload, items: _items, ...row }) => row)
  return JSON.stringify([door.log.lines, rows, [...rejections], [...sourceStates], [...attempts.values()], audit])
}

const searchable = (text: string) => {
  for (const secret of [SECRET, TOKEN, IBAN, sign(body)]) expect(text, 'stored or logged').to.not.include(secret)
}

describe('gateway: secrets and personal data', () => {
  it('are neither stored with a delivery nor logged', async () => {
    const door = await frontDoor()
    const answer = await door.send({
      path: `/webhooks/shop?access_token=${TOKEN}`,
      headers: { ...confidential, ...signed(body) },
      body,
    })
    expect(answer.status).to.equal(200)
    expect(JSON.parse(required(door.deliveries()[0]).headers)).to.deep.include({ 'content-type': 'application/json' })
    searchable(everythingElse(door))
    searchable(answer.text)
    await door.close()
  })

  it('do not come back in a refusal, and are not logged with it', async () => {
    const door = await frontDoor()
    const refused = await door.send({ headers: { ...confidential, 'x-signature': sign(`${body} `) }, body })
    expect(refused.status).to.equal(401)
    searchable(refused.text)
    await door.gateway.stop()
    searchable(everythingElse(door))
    await door.close()
  })

  for (const [step, broken] of [
    ['handshake', { handshake: ({ body: bytes }) => JSON.parse(`${Buffer.from(bytes)}}`) }],
    ['verify', { verify: async ({ headers }) => Promise.reject(new TypeError(`bad ${headers.authorization}`)) }],
    [
      'control',
      {
        control: () => {
          throw Object.assign(new Error(SECRET), { response: { config: { headers: { TOKEN } } } })
        },
      },
    ],
    ['normalize', { normalize: ({ body: bytes }) => JSON.parse(`[${Buffer.from(bytes)}`) }],
    [
      'reply',
      {
        reply: () => {
          throw new Error(`${IBAN} ${TOKEN}`)
        },
      },
    ],
  ] as const satisfies readonly (readonly [string, Partial<Source>])[]) {
    it(`are not logged where ${step} throws an error that quotes them; name and place are`, async () => {
      const door = await frontDoor({ sources: { shop: hmacSource(broken) } })
      const answer = await door.send({ headers: { ...confidential, ...signed(body) }, body })
      searchable(answer.text)
      searchable(everythingElse(door))
      const line = required(door.log.lines.find(({ level }) => level === 'error'))
      expect(line.fields.code).to.match(/Error$/)
      expect(String(line.fields.at)).to.match(/:\d+:\d+$/)
      await door.close()
    })
  }

  it('are not logged where the store quotes them, nor where a handler does', async () => {
    const memory = memoryInbox()
    const intake = { store: () => Promise.reject(new Error(`value too long: ${IBAN}`)) }
    const broken = await frontDoor({ inbox: { ...memory, intake } })
    await broken.send({ headers: signed(body), body })
    searchable(broken.log.text())
    await broken.close()

    const door = await frontDoor({
      subscriptions: [
        {
          name: 'book',
          on: ['*'],
          retry: { attempts: 1 },
          handler: () => {
            throw new Error(`${IBAN} ${'x'.repeat(100_000)}`)
          },
        },
      ],
    })
    await door.send({ headers: signed(body), body })
    await untilSo(() => [...door.state.dispatches.values()][0]?.status === 'dead')
    searchable(door.log.text())
    // The operator sees it, with the event; bounded (peer defect 25).
    const [attempt] = required([...door.state.attempts.values()][0])
    expect(attempt?.message).to.include(IBAN).and.to.have.length(2_048)
    await door.close()
  })

  it('no answer shows a stack or a path of ours', async () => {
    const door = await frontDoor({ sources: { shop: hmacSource({ verify: () => expect.fail('broken') }) } })
    for (const sending of [
      { body },
      { method: 'PUT' },
      { path: '/webhooks/nobody' },
      { headers: { 'x-signature': '' } },
    ]) {
      const { text } = await door.send(sending)
      expect(text).to.not.match(/\bat .*:\d+:\d+|node_modules|\.ts\b/)
    }
    await door.close()
  })
})
