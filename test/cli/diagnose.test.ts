import { expect } from 'chai'
import fc from 'fast-check'
import { makeDelivery } from '../../bin/signing/delivery.ts'
import { diagnose } from '../../bin/verify/diagnose.ts'
import { rewritings } from '../../bin/verify/json-text.ts'
import { fromParts } from '../../bin/verify/request.ts'
import { judge } from '../../bin/verify/verdict.ts'
import { recipeOf } from '../../testing/signing/recipe.ts'

const AT = new Date('2026-03-01T12:00:00.000Z')
const URL = 'https://gateway.example/webhooks/x'
const BODY =
  '{"id":"evt_1","name":"Müller / <Söhne>","amount":12345678901234567890,"price":1.10,"list":[],"nested":{"a":[1,2]}}'
const HMAC = { header: 'X-Signature', prefix: 'sha256=', template: '{timestamp}.{body}', timestamp: { from: 'X-Time' } }
const B64 = Buffer.from('a secret in base64').toString('base64')

interface Attempt {
  readonly kind?: string
  readonly options?: Record<string, unknown>
  /** What the sender signs with, and what is configured. */
  readonly signedWith?: string
  readonly secret?: string
  readonly senders?: Record<string, unknown>
  readonly body?: string
  readonly headers?: (headers: Map<string, string[]>) => void
  readonly received?: (body: Buffer) => Buffer
  readonly others?: Record<string, string>
  readonly now?: Date
  readonly url?: string
}

/** Signs as the sender would, changes it on the way, and asks for the verdict and its causes. */
async function codesOf(attempt: Attempt): Promise<{ ok: boolean; codes: string[]; text: string }> {
  const {
    kind = 'hmac',
    options = kind === 'hmac' ? HMAC : {},
    secret = 'the configured secret',
    now = AT,
    url = URL,
  } = attempt
  const { headers, body } = makeDelivery({
    kind,
    url: URL,
    id: 'evt_1',
    at: AT,
    secret: attempt.signedWith ?? secret,
    options: attempt.senders ?? options,
    body: Buffer.from(attempt.body ?? BODY),
  })
  const received = attempt.received ? attempt.received(Buffer.from(body)) : body
  const map = new Map(Object.entries(headers).map(([name, value]) => [name, [value]]))
  attempt.headers?.(map)
  const recorded = fromParts(map, received, url)
  const recipe = recipeOf(kind, options, new Set(map.keys()))
  if (!recipe) throw new Error('no recipe')
  const verdict = await judge(kind, options, [secret], recorded, now)
  const others = new Map(Object.entries(attempt.others ?? {}))
  const causes = verdict.ok ? [] : diagnose({ kind, recipe, recorded, secrets: [secret], others, now })
  return { ok: verdict.ok, codes: causes.map(({ code }) => code), text: JSON.stringify([verdict, causes]) }
}

const replaceText = (from: string | RegExp, to: string) => (body: Buffer) =>
  Buffer.from(body.toString().replaceAll(from, to))
const rewrite = (write: (value: unknown) => string) => (body: Buffer) => Buffer.from(write(JSON.parse(body.toString())))
const SAFE_BODY = '{"id":"evt_1","name":"Müller / <Söhne>","list":[],"nested":{"a":[1,2]}}'
const headerOf = (name: string, change: (value: string) => string | string[]) => (headers: Map<string, string[]>) => {
  headers.set(name, [change(headers.get(name)?.[0] ?? '')].flat())
}

/** What went wrong, and the cause that must come first. */
const CASES: Readonly<Record<string, [Attempt, string]>> = {
  'the secret is base64 and the sender signs with its bytes': [
    { secret: B64, signedWith: B64, senders: { ...HMAC, secretEncoding: 'base64' } },
    'secret-encoding',
  ],
  'the secret is hexadecimal and the sender signs with its bytes': [
    { secret: '00ff10ab', senders: { ...HMAC, secretEncoding: 'hex' } },
    'secret-encoding',
  ],
  'the secret is taken as base64 and the sender signs with its text': [
    { secret: B64, options: { ...HMAC, secretEncoding: 'base64' }, senders: HMAC },
    'secret-encoding',
  ],
  'whsec_ was left out': [{ kind: 'stripe', secret: 'abc123', signedWith: 'whsec_abc123' }, 'secret-prefix'],
  'whsec_ was put before': [{ kind: 'stripe', secret: 'whsec_abc123', signedWith: 'abc123' }, 'secret-prefix'],
  'a Standard Webhooks secret used as text': [
    { kind: 'standard-webhooks', secret: `whsec_${B64}`, options: { secretEncoding: 'utf8' }, senders: {} },
    'secret-encoding',
  ],
  'the secret has a line break at its end': [
    { kind: 'github', secret: 'right\n', signedWith: 'right' },
    'secret-white-space',
  ],
  'the sender signs with a line break': [
    { kind: 'github', secret: 'right', signedWith: 'right\n' },
    'secret-white-space',
  ],
  'the secret stands in quotation marks': [{ kind: 'github', secret: '"right"', signedWith: 'right' }, 'secret-quoted'],
  'the secret of another source': [
    { kind: 'github', secret: 'mine', signedWith: 'theirs', others: { stripe: 'theirs' } },
    'secret-other',
  ],
  'another secret altogether': [{ kind: 'github', secret: 'mine', signedWith: 'theirs' }, 'unknown'],
  'another content altogether': [{ received: replaceText('Müller', 'Meier') }, 'unknown'],
  'JSON.stringify over JSON.parse': [
    { body: '{ "id" : "evt_1",\n "name":"M\\u00fcller" }', received: rewrite(JSON.stringify) },
    'unknown',
  ],
  'reformatted with two spaces': [
    { body: SAFE_BODY, received: rewrite((value) => JSON.stringify(value, null, 2)) },
    'body-rewritten',
  ],
  'reformatted by an editor, with a line break at the end': [
    { body: SAFE_BODY, received: rewrite((value) => `${JSON.stringify(value, null, 4)}\n`) },
    'body-rewritten',
  ],
  compacted: [
    { body: JSON.stringify(JSON.parse(SAFE_BODY), null, 2), received: rewrite(JSON.stringify) },
    'body-rewritten',
  ],
  'big numbers kept while reformatted': [{ received: replaceText(',', ', ') }, 'body-rewritten'],
  'non-ASCII characters unescaped': [
    { body: '{"name":"M\\u00fcller"}', received: rewrite(JSON.stringify) },
    'body-rewritten',
  ],
  'non-ASCII characters escaped': [
    { body: '{"name":"Müller"}', received: () => Buffer.from('{"name":"M\\u00fcller"}') },
    'body-rewritten',
  ],
  'slashes unescaped': [{ body: '{"url":"https:\\/\\/x"}', received: rewrite(JSON.stringify) }, 'body-rewritten'],
  'a line break at its end lost': [{ body: `${BODY}\n`, received: replaceText('\n', '') }, 'body-line-end'],
  'a line break at its end added': [{ received: (body) => Buffer.concat([body, Buffer.from('\n')]) }, 'body-line-end'],
  'CRLF became LF': [{ body: '{\r\n"a":1\r\n,"b":2}', received: replaceText('\r\n', '\n') }, 'body-line-breaks'],
  'LF became CRLF': [{ body: '{\n"a":1\n,"b":2}', received: replaceText('\n', '\r\n') }, 'body-line-breaks'],
  'a byte order mark was added': [
    { received: (body) => Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), body]) },
    'body-mark',
  ],
  'UTF-8 read as ISO-8859-1': [
    { body: '{"name":"Müller"}', received: (body) => Buffer.from(body.toString('latin1'), 'utf8') },
    'body-charset',
  ],
  'another algorithm': [{ senders: { ...HMAC, algorithm: 'sha512' } }, 'algorithm'],
  'another template': [{ senders: { ...HMAC, template: '{timestamp}:{body}' } }, 'template'],
  'the body alone was signed': [{ senders: { ...HMAC, template: '{body}' } }, 'template'],
  'another spelling of the address': [
    { options: { header: 'X-Signature', template: '{url}{body}' }, url: 'http://gateway.example/webhooks/x' },
    'url',
  ],
  'base64 instead of hexadecimal': [{ senders: { ...HMAC, encoding: 'base64' } }, 'signature-encoding'],
  'the prefix is missing': [
    { headers: headerOf('x-signature', (value) => value.replace('sha256=', '')) },
    'signature-prefix',
  ],
  'the signature is cut off': [
    { headers: headerOf('x-signature', (value) => value.slice(0, 40)) },
    'signature-truncated',
  ],
  'the signature is something else': [{ headers: headerOf('x-signature', () => 'sha256=abc') }, 'signature-malformed'],
  'the header twice': [{ headers: headerOf('x-signature', (value) => [value, 'sha256=00']) }, 'header-duplicated'],
  'no signature at all': [{ headers: (headers) => headers.delete('x-signature') }, 'header-missing'],
  'in another header': [
    { headers: (headers) => headers.set('x-other', headers.get('x-signature') ?? []) && headers.delete('x-signature') },
    'header-wrong',
  ],
  'of another kind': [
    {
      kind: 'github',
      headers: (headers) => headers.set('stripe-signature', ['t=1,v1=00']) && headers.delete('x-hub-signature-256'),
    },
    'kind-wrong',
  ],
  'a clock six minutes behind': [{ now: new Date(AT.getTime() + 360_000) }, 'timestamp-out-of-tolerance'],
  'a clock a year ahead': [{ now: new Date(AT.getTime() - 31_536_000_000) }, 'timestamp-out-of-tolerance'],
  'milliseconds taken for seconds': [
    { senders: { ...HMAC, timestamp: { from: 'X-Time', unit: 'ms' } } },
    'timestamp-unit',
  ],
  'a timestamp that is none': [{ headers: headerOf('x-time', () => 'yesterday') }, 'timestamp-malformed'],
}

describe('why a signature fails', () => {
  it('is not asked where the gateway takes it', async () => {
    for (const kind of ['github', 'stripe', 'shopify', 'standard-webhooks', 'hmac']) {
      const secret = kind === 'standard-webhooks' ? B64 : 'the configured secret'
      expect((await codesOf({ kind, secret })).ok, kind).to.equal(true)
    }
  })

  for (const [what, [attempt, code]] of Object.entries(CASES)) {
    it(`${what}: ${code}`, async () => {
      const { ok, codes, text } = await codesOf(attempt)
      expect(ok, 'the gateway takes it').to.equal(false)
      expect(codes[0], text).to.equal(code)
    })
  }

  it('names two changes at once: secret and body', async () => {
    const attempt = {
      kind: 'github',
      secret: ' right',
      signedWith: 'right',
      received: (body: Buffer) => Buffer.concat([body, Buffer.from('\n')]),
    }
    expect((await codesOf(attempt)).codes).to.deep.equal(['secret-white-space', 'body-line-end'])
  })

  it('names the clock beside what else is wrong', async () => {
    const attempt = { secret: 'mine ', signedWith: 'mine', now: new Date(AT.getTime() + 7_200_000) }
    const { codes, text } = await codesOf(attempt)
    expect(codes).to.deep.equal(['secret-white-space', 'timestamp-out-of-tolerance'])
    expect(text).to.include('2 hours before 2026-03-01T14:00:00.000Z')
  })

  it('suspects a parser where the body looks like the work of one', async () => {
    const body = '{ "id" : "evt_1",\n "name":"x" }'
    expect((await codesOf({ body, received: rewrite(JSON.stringify) })).text).to.include('as JSON.stringify writes it')
    expect((await codesOf({ body, secret: 'a', signedWith: 'b' })).text).not.to.include('JSON.stringify')
  })

  it('says when the recording is not the whole body', async () => {
    const headers = (map: Map<string, string[]>) => map.set('content-length', ['999'])
    const { codes } = await codesOf({ received: replaceText('Müller', 'M'), headers })
    expect(codes).to.deep.equal(['body-length', 'unknown'])
  })

  it('shows neither the secret nor the signature it expected, whatever is wrong', async () => {
    for (const [what, [attempt]] of Object.entries(CASES)) {
      const { text } = await codesOf(attempt)
      const secrets = [attempt.secret, attempt.signedWith, ...Object.values(attempt.others ?? {})].filter(
        (each) => (each?.length ?? 0) > 5,
      )
      for (const secret of secrets) expect(text, what).not.to.include(secret)
      expect(text, what).not.to.match(/[0-9a-f]{40}|[A-Za-z0-9+/]{43}=/)
    }
  })
})

describe('JSON in other writings', () => {
  it('is the same JSON, in every writing', () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        for (const { text: other } of rewritings(text)) expect(JSON.parse(other)).to.deep.equal(JSON.parse(text))
      }),
      { numRuns: 200 },
    )
  })

  it('has the writing of JSON.stringify among it, from any of its indentations', () => {
    fc.assert(
      fc.property(
        fc.object().map((value) => JSON.parse(JSON.stringify(value))),
        (value) => {
          const all = new Set([...rewritings(JSON.stringify(value, null, 4))].map(({ text }) => text))
          for (const indent of [undefined, 2, 4, '\t']) expect(all).to.include(JSON.stringify(value, null, indent))
        },
      ),
      { numRuns: 200 },
    )
  })

  it('keeps numbers as they are written', () => {
    expect([...rewritings('{"a":[1.10,12345678901234567890,-0e1]}')][0]?.text).to.equal(
      '{"a":[1.10,12345678901234567890,-0e1]}',
    )
  })

  it('leaves alone what is no JSON', () => {
    for (const text of ['', 'a=b', '"text"', '{"a":', '{"a" 1}x']) {
      for (const { text: other } of rewritings(text))
        expect(other.replaceAll(/\s/g, '')).to.equal(text.replaceAll(/\s/g, ''))
    }
  })
})
