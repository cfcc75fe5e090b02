import { createHmac } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { diagnose } from '../../bin/verify/diagnose.ts'
import { fromParts } from '../../bin/verify/request.ts'
import { judge } from '../../bin/verify/verdict.ts'
import { recipeOf } from '../../testing/signing/recipe.ts'
import { endAll, type RunOptions, sluice } from './helpers/cli.ts'

const SECRET = 'whsec_of_the_tests_only'
const BODY = '{"id":"evt_1","object":"event"}'
const AT = 1_772_366_400
const sign = (body = BODY, secret = SECRET) => createHmac('sha256', secret).update(`${AT}.${body}`).digest('hex')
const http = (body: string, signature = sign()) =>
  `POST /webhooks/stripe HTTP/1.1\r\nHost: gateway.example\r\nStripe-Signature: t=${AT},v1=${signature}\r\n\r\n${body}`

describe('sluice verify', () => {
  let folder: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'sluice-verify-'))
  })
  afterEach(() => {
    endAll()
    rmSync(folder, { recursive: true, force: true })
  })

  const at = ['--at', new Date(AT * 1_000).toISOString()]
  const verify = (args: readonly string[], options: RunOptions = {}) =>
    sluice(['verify', ...args], { cwd: folder, ...options, env: { SECRET, ...options.env } })
  const stripe = (...more: string[]) => ['stripe', '--secret', 'env:SECRET', ...at, ...more]

  it('ends with 0 for what the gateway takes: a request on standard input, in a file, in parts, in HAR', async () => {
    writeFileSync(join(folder, 'saved.http'), http(BODY))
    writeFileSync(join(folder, 'headers.txt'), `Stripe-Signature: t=${AT},v1=${sign()}\n`)
    writeFileSync(join(folder, 'body.json'), BODY)
    const headers = [{ name: 'Stripe-Signature', value: `t=${AT},v1=${sign()}` }]
    const request = {
      method: 'POST',
      url: 'https://gateway.example/webhooks/stripe',
      headers,
      postData: { text: BODY },
    }
    writeFileSync(
      join(folder, 'saved.har'),
      JSON.stringify({ log: { entries: [{ startedDateTime: new Date(AT * 1_000), request }] } }),
    )
    const answers = await Promise.all([
      verify(stripe('--request', '-'), { input: http(BODY) }),
      verify(stripe('--request', 'saved.http')),
      verify(stripe('--headers', 'headers.txt', '--body', 'body.json')),
      verify(stripe('-H', 'X-Other: 1', '-H', `Stripe-Signature: t=${AT},v1=${sign()}`, '--body', 'body.json')),
      verify(['stripe', '--secret', 'env:SECRET', '--request', 'saved.har']),
    ])
    for (const answer of answers)
      expect(answer).to.deep.equal({ code: 0, stdout: 'Verified: kind stripe takes this delivery.\n', stderr: '' })
  })

  it('ends with 1, says what is likely and what to do, and shows neither secret nor signature', async () => {
    const { code, stdout, stderr } = await verify(stripe('--request', '-'), {
      input: http(JSON.stringify(JSON.parse(BODY), null, 2)),
    })
    expect(code).to.equal(1)
    expect(stdout).to.match(
      /^Refused by kind stripe: signature-invalid\.\nMost likely: it was written as JSON with no white space\. \[body-rewritten\]\n {2}Verify the raw bytes/,
    )
    expect(stdout + stderr)
      .not.to.include(SECRET)
      .and.not.to.include(sign())
  })

  it('says the same in JSON', async () => {
    const { code, stdout } = await verify(stripe('--request', '-', '--json'), {
      input: http(BODY, sign(BODY, 'another')),
    })
    expect(code).to.equal(1)
    const { causes, ...verdict } = JSON.parse(stdout)
    expect(verdict).to.deep.equal({ kind: 'stripe', ok: false, reason: 'signature-invalid' })
    expect(causes.map((each: { code: string }) => each.code)).to.deep.equal(['unknown'])
  })

  it('knows an old request by its clock', async () => {
    const { stdout } = await verify(['stripe', '--secret', 'env:SECRET', '--request', '-'], { input: http(BODY) })
    expect(stdout)
      .to.match(/its timestamp lies \d+ days before .*\[timestamp-out-of-tolerance\]/s)
      .and.to.include('give --at')
  })

  it('finds the secret of another source in the configuration of the project', async () => {
    const sources = {
      stripe: { kind: 'stripe', secrets: ['env:SECRET'] },
      shop: { kind: 'shopify', secrets: ['env:SHOP_SECRET'] },
      unset: { kind: 'github', secrets: ['env:NOWHERE'] },
    }
    const CDS_CONFIG = JSON.stringify({ requires: { sluice: { sources } } })
    const { code, stdout, stderr } = await verify(['--source', 'stripe', ...at, '--request', '-'], {
      cwd: process.cwd(),
      env: { SHOP_SECRET: 'the secret of the shop', CDS_CONFIG },
      input: http(BODY, sign(BODY, 'the secret of the shop')),
    })
    expect(code, stderr).to.equal(1)
    expect(stdout)
      .to.include('it was signed with the secret of source shop')
      .and.not.to.include('the secret of the shop')
  })

  const mistakes: [string, string[], RegExp][] = [
    ['no request', ['stripe', '--secret', 'env:SECRET'], /Which request\?/],
    [
      'a file that is not there',
      ['stripe', '--secret', 'env:SECRET', '--request', 'nowhere'],
      /nowhere cannot be read \(ENOENT\)/,
    ],
    ['a request that is none', ['stripe', '--secret', 'env:SECRET', '--request', '-'], /this is no HTTP request/],
    ['a kind without a signature', ['event-mesh', '--body', '-'], /There is no kind "event-mesh"/],
    ['hmac without its options', ['hmac', '--secret', 'env:SECRET', '--body', '-'], /Give --source NAME, or -o header/],
    [
      'an option that hmac does not have',
      ['hmac', '--secret', 'env:SECRET', '--body', '-', '-o', 'header=X', '-o', 'hedaer=X'],
      /"hedaer" is not known/,
    ],
    [
      'another secret without a name',
      ['stripe', '--secret', 'env:SECRET', '--body', '-', '--also', 'env:SECRET'],
      /--also is not written as name=env:NAME/,
    ],
  ]
  for (const [what, args, message] of mistakes) {
    it(`ends with 2 for ${what}`, async () => {
      const { code, stdout, stderr } = await verify(args, { input: 'hello' })
      expect(stderr).to.match(message)
      expect({ code, stdout }).to.deep.equal({ code: 2, stdout: '' })
    })
  }
})

describe('the vectors of the vendors', () => {
  const vectors = JSON.parse(readFileSync(new URL('../fixtures/webhook-signatures.json', import.meta.url), 'utf8')) as {
    provider: string
    secret: string
    headers: Record<string, string>
    bodyBase64: string
    url: string
    now: number | null
    expect: string
    note: string
  }[]
  const KINDS: Readonly<Record<string, string>> = {
    github: 'github',
    stripe: 'stripe',
    shopify: 'shopify',
    'standard-webhooks': 'standard-webhooks',
    svix: 'standard-webhooks',
  }

  for (const { provider, secret, headers, bodyBase64, url, now, expect: wanted, note } of vectors) {
    const kind = KINDS[provider]
    if (!kind) continue
    it(`${provider}: ${wanted === 'valid' ? 'verified' : 'explained'}${note ? ` (${note})` : ''}`, async () => {
      const map = new Map(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), [value]]))
      const recorded = fromParts(map, Buffer.from(bodyBase64, 'base64'), url)
      const at = new Date((now ?? 1_700_000_000) * 1_000)
      const recipe = recipeOf(kind, {}, new Set(map.keys()))
      if (!recipe) throw new Error('no recipe')
      const verdict = await judge(kind, {}, [secret], recorded, at)
      expect(verdict.ok).to.equal(wanted === 'valid')
      const causes = diagnose({ kind, recipe, recorded, secrets: [secret], others: new Map(), now: at })
      if (verdict.ok) expect(causes).to.deep.equal([])
      else expect(causes).to.have.length.of.at.least(1)
      if (note.includes('old timestamp') || note.includes('future timestamp'))
        expect(causes[0]?.code).to.equal('timestamp-out-of-tolerance')
    })
  }
})
