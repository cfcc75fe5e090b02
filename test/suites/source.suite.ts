import { expect } from 'chai'
import fc from 'fast-check'
import type { Source } from '#domain/source'
import { bytes, contextAt, deliver, draftOf, NOW, normalize, type Request, verify } from '../helpers/deliveries.ts'

/** How a kind is configured and how its provider signs; the signing must not use the product's own code. */
export interface SignedSpecimen {
  /** A source that accepts these secrets, in this order. */
  readonly make: (secrets: readonly string[]) => Source
  /** Three secrets in the provider's form. */
  readonly secrets: readonly [string, string, string]
  readonly sign: (body: Uint8Array, secret: string, at: Date) => Record<string, string>
  /** The header that holds the signature. */
  readonly header: string
  /** A body that normalizes to one event, together with the headers of `extra`. */
  readonly body: string
  readonly extra?: Record<string, string>
  /** Whether the provider signs the time, so that old deliveries are refused. */
  readonly timestamped: boolean
}

/** What every source with a signature must do. */
export function signedSourceSuite(kind: string, specimen: SignedSpecimen): void {
  const { make, secrets, sign, header, extra = {}, timestamped } = specimen
  const [current, next, foreign] = secrets
  const source = make([current])
  const request = (body: string | Uint8Array = specimen.body, secret = current, at = NOW): Request => {
    const raw = typeof body === 'string' ? bytes(body) : body
    return { body: raw, headers: { 'content-type': 'application/json', ...extra, ...sign(raw, secret, at) } }
  }
  const withHeader = (value: string | readonly string[]): Request => {
    const signed = request()
    return { ...signed, headers: { ...signed.headers, [header]: value } }
  }
  const signature = String(request().headers?.[header])

  describe(`${kind}: contract of a signed source`, () => {
    it('accepts what the provider signed, and says which secret it was', async () => {
      expect(await verify(source, request())).to.deep.equal({ ok: true, authlevel: 'body', secretId: '1' })
    })

    it('makes one event of it, which passes the check of drafts', () => {
      const draft = draftOf(source, request())
      expect(draft.attributes.providertype).to.be.a('string').that.is.not.empty
      expect(draft.data).to.be.a('string').that.is.not.empty
    })

    it('makes the same event of a repetition', () => {
      expect(normalize(source, request())).to.deep.equal(normalize(source, request()))
    })

    it('refuses a body with any one byte changed', async () => {
      const raw = bytes(specimen.body)
      for (let index = 0; index < raw.length; index += Math.ceil(raw.length / 40)) {
        const body = raw.slice()
        body[index] = (body[index] ?? 0) ^ 1
        expect(await verify(source, { ...request(), body })).to.include({ ok: false, reason: 'signature-invalid' })
      }
    })

    it('refuses another secret', async () => {
      expect(await verify(source, request(specimen.body, foreign))).to.include({
        ok: false,
        reason: 'signature-invalid',
      })
    })

    it('accepts both secrets during a rotation and tells them apart', async () => {
      const rotating = make([next, current])
      expect(await verify(rotating, request())).to.include({ ok: true, secretId: '2' })
      expect(await verify(rotating, request(specimen.body, next))).to.include({ ok: true, secretId: '1' })
      expect(await verify(rotating, request(specimen.body, foreign))).to.include({ ok: false })
    })

    it('refuses a missing signature', async () => {
      const { [header]: _, ...headers } = request().headers ?? {}
      expect(await verify(source, { ...request(), headers })).to.include({ ok: false, reason: 'signature-missing' })
    })

    it('refuses two different signatures in two headers', async () => {
      const other = String(request('other').headers?.[header])
      expect(await verify(source, withHeader([signature, other]))).to.include({
        ok: false,
        reason: 'header-duplicated',
      })
      expect(await verify(source, withHeader([other, signature]))).to.include({
        ok: false,
        reason: 'header-duplicated',
      })
    })

    it('takes the same signature sent twice for one', async () => {
      expect(await verify(source, withHeader([signature, signature]))).to.include({ ok: true })
    })

    it('refuses a truncated signature', async () => {
      for (const length of [1, 2, 5]) {
        const result = await verify(source, withHeader(signature.slice(0, -length)))
        expect(result).to.include({ ok: false, reason: 'signature-malformed' })
      }
    })

    it('refuses malformed signatures, and none of them throws', async () => {
      const malformed = ['', ' ', '=', ',', 'foo', `${signature}x`, `${signature.slice(0, -1)}!`, '%00', '💥']
      for (const value of malformed) {
        const result = await verify(source, withHeader(value))
        expect(result, value).to.include({ ok: false, reason: 'signature-malformed' })
      }
      await fc.assert(
        fc.asyncProperty(fc.string({ unit: 'binary', maxLength: 200 }), async (value) => {
          expect(await verify(source, withHeader(value))).to.include({ ok: false })
        }),
      )
    })

    it('verifies an empty body, which then is no event', async () => {
      expect(await verify(source, request(''))).to.include({ ok: true })
      expect(normalize(source, request(''))).to.deep.equal([{ ok: false, reason: 'not-json' }])
    })

    it('verifies a signed body that is no JSON, which then is no event', async () => {
      expect(await verify(source, request('Hello, World!'))).to.include({ ok: true })
      expect(normalize(source, request('Hello, World!'))).to.deep.equal([{ ok: false, reason: 'not-json' }])
    })

    it('verifies the bytes before anything is parsed: also those that are not UTF-8', async () => {
      const broken = Uint8Array.of(0x7b, 0xff, 0xfe, 0x00, 0x7d)
      expect(await verify(source, request(broken))).to.include({ ok: true })
      expect(normalize(source, request(broken))).to.deep.equal([{ ok: false, reason: 'not-utf8' }])
    })

    it('verifies any bytes at all', async () => {
      await fc.assert(
        fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (body) => {
          expect(await verify(source, request(body))).to.include({ ok: true })
        }),
      )
    })

    it('keeps multi-byte text and numbers beyond 2^53 as they came', async () => {
      const body = specimen.body.replace('{', '{"text":"żółć 日本語 🚰","big":123456789012345678901,')
      expect(await verify(source, request(body))).to.include({ ok: true })
      const { data = '' } = draftOf(source, request(body))
      expect(body).to.include(data)
    })

    it('verifies compressed bytes as they came and leaves them to an operator', async () => {
      const signed = request(Uint8Array.of(0x1f, 0x8b, 8, 0, 0))
      const compressed = { ...signed, headers: { ...signed.headers, 'content-encoding': 'gzip' } }
      expect(await verify(source, compressed)).to.include({ ok: true })
      expect(normalize(source, compressed)).to.have.nested.property('[0].reason', 'unsupported-encoding')
    })

    it('normalizes any garbage without throwing', () => {
      const junk = fc.oneof(fc.json(), fc.string({ unit: 'binary' }))
      fc.assert(
        fc.property(fc.oneof(junk.map(bytes), fc.uint8Array()), (body) => {
          expect(normalize(source, request(body))).to.be.an('array')
        }),
      )
    })

    it('normalizes bodies with members of the wrong type without throwing', () => {
      const template = JSON.parse(specimen.body) as Record<string, unknown>
      const names = Object.keys(template)
      fc.assert(
        fc.property(fc.constantFrom(...names), fc.jsonValue({ depthSize: 'small' }), (name, value) => {
          expect(normalize(source, request(JSON.stringify({ ...template, [name]: value })))).to.be.an('array')
        }),
      )
    })

    it('is refused at start with no secret, an empty one, or one with white space around it', () => {
      for (const wrong of [[], [''], ['  '], [`${current}\n`], [undefined as unknown as string]]) {
        expect(() => make(wrong))
          .to.throw()
          .with.property('code', 'configuration')
      }
      let message = ''
      try {
        make([`${current}\n`])
      } catch (thrown) {
        message = (thrown as Error).message
      }
      expect(message).to.include('secrets[0]').and.not.include(current)
    })

    if (timestamped) {
      const at = (ms: number) => new Date(NOW.getTime() + ms)

      it('refuses stale and future timestamps, five minutes either way', async () => {
        for (const ms of [-301_000, 301_000, -86_400_000, 86_400_000]) {
          const result = await verify(source, request(specimen.body, current, at(ms)))
          expect(result, String(ms)).to.include({ ok: false, reason: 'timestamp-out-of-tolerance' })
        }
        for (const ms of [-300_000, 300_000]) {
          expect(await verify(source, request(specimen.body, current, at(ms))), String(ms)).to.include({ ok: true })
        }
      })

      it('says of a forgery that it is one, whatever its timestamp', async () => {
        const forged = request(specimen.body, foreign, at(-86_400_000))
        expect(await verify(source, forged)).to.include({ ok: false, reason: 'signature-invalid' })
      })
    } else {
      it('takes a late delivery: the provider signs no time', async () => {
        const result = await source.verify(deliver(request()), contextAt(new Date(NOW.getTime() + 86_400_000)))
        expect(result).to.include({ ok: true })
      })
    }
  })
}
