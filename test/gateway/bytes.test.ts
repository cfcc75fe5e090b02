import { gzipSync } from 'node:zlib'
import { expect } from 'chai'
import express from 'express'
import { type FrontDoor, frontDoor, MOUNTS } from '../helpers/front-door.ts'
import { hmacSource, signed } from '../helpers/hmac-source.ts'
import { required } from '../helpers/workshop.ts'

const all256 = Uint8Array.from({ length: 256 }, (_, byte) => byte)

for (const mount of MOUNTS) {
  describe(`gateway: raw bytes behind ${mount}`, () => {
    let door: FrontDoor
    beforeEach(async () => {
      door = await frontDoor({ mount })
    })
    afterEach(() => door.close())

    /** The bytes as they were stored and as they became an event. */
    const stored = () => {
      const delivery = required(door.deliveries()[0])
      const event = required(door.events()[0])
      return {
        payload: Buffer.from(required(delivery.payload)),
        data: Buffer.from(required(event.dataBase64), 'base64'),
      }
    }

    for (const [what, body, headers] of [
      ['JSON with spaces, key order and long integers', '{ "b":1,\n"a": 9007199254740993 }', {}],
      ['all 256 byte values', all256, {}],
      ['text that is no UTF-8', Buffer.from('caf\u00e9', 'latin1'), { 'content-type': 'text/plain; charset=latin1' }],
      ['a byte order mark', Buffer.from('\ufeff{"a":1}'), {}],
      ['gzip, as it is', gzipSync('{"a":1}'), { 'content-encoding': 'gzip' }],
      ['a form', 'a=1&b=%20', { 'content-type': 'application/x-www-form-urlencoded' }],
      ['no content type', '{"a":1}', { 'content-type': '' }],
      ['nothing', '', {}],
      ['a megabyte', Buffer.alloc(1_048_576, 'x'), {}],
    ] as const) {
      it(`takes ${what}, byte for byte`, async () => {
        const { status } = await door.send({ headers: signed(body, headers), body })
        expect(status).to.equal(200)
        const { payload, data } = stored()
        expect(payload.equals(Buffer.from(body))).to.equal(true)
        expect(data.equals(Buffer.from(body))).to.equal(true)
      })
    }

    it('takes a body in chunks', async () => {
      const whole = Buffer.concat([all256, all256, all256])
      const { status } = await door.send({ headers: signed(whole), body: [all256, all256, all256] })
      expect(status).to.equal(200)
      expect(stored().payload.equals(whole)).to.equal(true)
    })

    it('takes a body that comes byte by byte', async () => {
      const body = '{"slow":true}'
      const socket = await door.socket()
      const head = `POST /webhooks/shop HTTP/1.1\r\nHost: x\r\nX-Signature: ${signed(body)['x-signature']}\r\n`
      socket.write(`${head}Content-Length: ${body.length}\r\n\r\n`)
      for (const byte of body) {
        socket.write(byte)
        await new Promise((resolve) => setImmediate(resolve))
      }
      const [answer] = (await new Promise<Buffer[]>((resolve) => socket.once('data', (data) => resolve([data])))) as [
        Buffer,
      ]
      expect(answer.toString()).to.match(/^HTTP\/1.1 200 /)
      expect(stored().payload.toString()).to.equal(body)
      socket.destroy()
    })

    it('hands a header that was sent twice over as two values', async () => {
      const body = '{}'
      const signature = signed(body)['x-signature']
      const doubled = await door.send({ headers: { 'x-signature': [signature, 'forged'] }, body })
      expect(doubled.status).to.equal(401)
      const same = await door.send({ headers: { 'x-signature': [signature, signature] }, body })
      expect(same.status).to.equal(200)
    })
  })
}

describe('gateway: what a source sees', () => {
  it('has path, query and public URL as the sender wrote them', async () => {
    const seen: unknown[] = []
    const source = hmacSource({
      handshake: ({ url, path, query, method, peer }) => {
        seen.push([method, url, path, [...query], peer?.address])
        return undefined
      },
    })
    const door = await frontDoor({ sources: { shop: source }, publicUrl: 'https://hooks.example/base/' })
    await door.send({ path: '/webhooks/shop?a=1&a=2&to=x?y=z', headers: signed(''), body: '' })
    const query = [
      ['a', '1'],
      ['a', '2'],
      ['to', 'x?y=z'],
    ]
    const url = 'https://hooks.example/base/webhooks/shop?a=1&a=2&to=x?y=z'
    expect(seen).to.deep.equal([['POST', url, '/webhooks/shop', query, '127.0.0.1']])
    expect(door.deliveries()[0]?.url).to.equal('/webhooks/shop')
    await door.close()
  })

  it('is found by the last part of the path, escaped or with a slash behind it', async () => {
    const door = await frontDoor()
    for (const path of ['/webhooks/shop', '/webhooks/shop/', '/webhooks/sh%6Fp', '/webhooks/eu/shop///']) {
      expect((await door.send({ path, headers: signed(path), body: path })).status, path).to.equal(200)
    }
    await door.close()
  })
})

describe('gateway: a body that somebody read before us', () => {
  it('is a named mistake of the set-up, not a wrong signature, and the log says what to do', async () => {
    const door = await frontDoor({ before: express.json() })
    const answer = await door.send({ headers: signed('{"a":1}'), body: '{"a":1}' })
    expect(answer.status).to.equal(500)
    const { type, detail } = JSON.parse(answer.text)
    expect(type).to.equal('urn:sluice:problem:body-consumed')
    expect(detail).to.equal('Mount gateway.express() before express.json() and every other body parser.')
    const line = required(door.log.lines.find(({ level }) => level === 'error'))
    expect(line.fields.remedy).to.equal(detail)
    expect(door.deliveries()).to.deep.equal([])
    await door.close()
  })

  it('is none where the parser had nothing to read', async () => {
    const door = await frontDoor({ before: express.json() })
    const answer = await door.send({ headers: { ...signed('a,b'), 'content-type': 'text/csv' }, body: 'a,b' })
    expect(answer.status).to.equal(200)
    await door.close()
  })
})
