import { createHmac } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { expect } from 'chai'
import { checkDraft } from '#domain/check-draft'
import { github } from '../../../adapters/sources/github.ts'
import { draftOf, normalize, verify } from '../../helpers/deliveries.ts'
import { signedSourceSuite } from '../../suites/source.suite.ts'

const hex = (secret: string, body: Uint8Array) => createHmac('sha256', secret).update(body).digest('hex')
const extra = { 'x-github-event': 'issues', 'x-github-delivery': '72d3162e-cc78-11e3-81ab-4c9367dc0958' }

signedSourceSuite('github', {
  make: (secrets) => github({ secrets }),
  secrets: ["It's a Secret to Everybody", 'the next one', 'a foreign one'],
  sign: (body, secret) => ({ 'x-hub-signature-256': `sha256=${hex(secret, body)}` }),
  header: 'x-hub-signature-256',
  body: '{"action":"opened","issue":{"id":1,"number":7},"repository":{"id":2,"html_url":"https://github.com/a/b"}}',
  extra,
  timestamped: false,
})

interface Example {
  readonly name: string
  readonly examples: readonly { readonly action?: string }[]
}
const examples = JSON.parse(
  readFileSync(createRequire(import.meta.url).resolve('@octokit/webhooks-examples/api.github.com/index.json'), 'utf8'),
) as readonly Example[]

describe('github', () => {
  const source = github({ secrets: ['s'] })
  const request = (event: string, payload: unknown, delivery = extra['x-github-delivery']) => ({
    headers: { 'content-type': 'application/json', 'x-github-event': event, 'x-github-delivery': delivery },
    body: JSON.stringify(payload),
  })
  const example = (event: string, action?: string) =>
    examples.find(({ name }) => name === event)?.examples.find((one) => action === undefined || one.action === action)

  it("normalizes every one of GitHub's published examples, with a lane of its own object", () => {
    let count = 0
    for (const { name, examples: payloads } of examples) {
      for (const payload of payloads) {
        const [item] = normalize(source, request(name, payload))
        count++
        if (name === 'ping') expect(item).to.deep.equal({ ignored: 'ping' })
        else if (item && 'ok' in item && item.ok) {
          expect(checkDraft(item.draft), name).to.deep.equal({ ok: true })
          expect(item.draft.attributes.providertype).to.equal(payload.action ? `${name}.${payload.action}` : name)
          if (
            !['github_app_authorization', 'security_advisory', 'marketplace_purchase', 'sponsorship'].includes(name)
          ) {
            expect(item.draft.attributes.partitionkey, name).to.match(/^[A-Z]\w*\/.+/)
          }
        } else expect.fail(`${name}: ${JSON.stringify(item)}`)
      }
    }
    expect(count).to.equal(329)
  })

  it('reads an issue: identity, lane, subject, time', () => {
    const payload = example('issues', 'opened') as { issue: { id: number; number: number; updated_at: string } }
    const { identity, attributes, object, nature } = draftOf(source, request('issues', payload))
    expect(identity).to.deep.equal({ id: extra['x-github-delivery'] })
    expect(attributes).to.include({
      type: 'work.ticket.created.v1',
      providertype: 'issues.opened',
      subject: String(payload.issue.number),
      partitionkey: `Issue/${payload.issue.id}`,
      time: payload.issue.updated_at,
    })
    expect(object).to.deep.equal({ type: 'Issue', key: String(payload.issue.id) })
    expect(nature).to.equal('fact')
  })

  it('puts a comment into the lane of its issue, and a push into that of its branch', () => {
    const comment = example('issue_comment', 'created') as { issue: { id: number } }
    expect(draftOf(source, request('issue_comment', comment)).attributes.partitionkey).to.equal(
      `Issue/${comment.issue.id}`,
    )
    const push = example('push') as { ref: string; repository: { id: number } }
    expect(draftOf(source, request('push', push)).attributes).to.include({
      type: 'code.repository.pushed.v1',
      subject: push.ref,
      partitionkey: `Ref/${push.repository.id}:${push.ref}`,
    })
  })

  it('tells a merged pull request from a closed one', () => {
    const closed = { action: 'closed', pull_request: { id: 1, number: 2, merged: false } }
    const merged = { action: 'closed', pull_request: { id: 1, number: 2, merged: true } }
    expect(draftOf(source, request('pull_request', closed)).attributes.type).to.equal('code.changerequest.closed.v1')
    expect(draftOf(source, request('pull_request', merged)).attributes.type).to.equal('code.changerequest.merged.v1')
  })

  it('passes an unknown type as github.<event>.<action>', () => {
    const { attributes } = draftOf(source, request('novelty', { action: 'sprung', repository: { id: 5 } }))
    expect(attributes).to.include({ type: 'github.novelty.sprung', partitionkey: 'Repository/5' })
  })

  it('reads form deliveries, signed over the form', async () => {
    const payload = JSON.stringify({ action: 'opened', issue: { id: 1, title: 'a+b & c % ♥' } })
    const body = `payload=${encodeURIComponent(payload).replaceAll('%20', '+')}`
    const headers = { ...extra, 'content-type': 'application/x-www-form-urlencoded' }
    const signature = `sha256=${hex('s', new TextEncoder().encode(body))}`
    expect(await verify(source, { body, headers: { ...headers, 'x-hub-signature-256': signature } })).to.include({
      ok: true,
    })
    expect(draftOf(source, { body, headers }).data).to.equal(payload)
  })

  it('quarantines forms that hold no payload, a broken one, or broken characters', () => {
    const headers = { ...extra, 'content-type': 'application/x-www-form-urlencoded; charset=utf-8' }
    const reason = (body: string) => normalize(source, { body, headers })
    expect(reason('a=b')).to.deep.equal([{ ok: false, reason: 'attribute-missing', detail: 'payload' }])
    expect(reason('payload=%7B')).to.deep.equal([{ ok: false, reason: 'not-json', detail: 'payload' }])
    expect(reason('payload=%ff')).to.deep.equal([{ ok: false, reason: 'not-utf8', detail: 'payload' }])
  })

  it('quarantines a verified delivery without event or delivery id', () => {
    const missing = (headers: Record<string, string>) => normalize(source, { headers, body: '{}' })
    expect(missing({ 'x-github-delivery': '1' })).to.have.nested.property('[0].detail', 'x-github-event')
    expect(missing({ 'x-github-event': 'push' })).to.have.nested.property('[0].reason', 'attribute-missing')
  })

  it('refuses the right digest under another name', async () => {
    for (const name of ['sha512=', 'SHA256=', '']) {
      const headers = { 'x-hub-signature-256': `${name}${hex('s', new Uint8Array())}` }
      expect(await verify(source, { headers })).to.include({ ok: false, reason: 'signature-malformed' })
    }
  })

  it('refuses the old SHA-1 signature alone', async () => {
    const body = '{}'
    const sha1 = createHmac('sha1', 's').update(body).digest('hex')
    expect(await verify(source, { body, headers: { 'x-hub-signature': `sha1=${sha1}` } })).to.include({
      reason: 'signature-missing',
    })
  })
})
