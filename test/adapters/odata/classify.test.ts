import { expect } from 'chai'
import fc from 'fast-check'
import { MAX_MESSAGE_LENGTH, type RetryRule } from '#domain/errors'
import {
  classifyAnswer,
  classifyFailure,
  isConflict,
  isCsrfRefusal,
  isLockText,
  isRecordMissing,
} from '../../../adapters/odata/classify.ts'
import { readErrorBody } from '../../../adapters/odata/error-body.ts'
import { retryAfterMs } from '../../../adapters/odata/retry-after.ts'
import { type Answer, type FailureReason, TransportFailure } from '../../../adapters/odata/transport.ts'

const now = new Date('2026-01-01T00:00:00Z')
const answer = (status: number, text = '', headers: Record<string, string> = {}): Answer => ({
  status,
  headers,
  setCookies: [],
  text,
})
const classify = (given: Answer, write = true) => classifyAnswer(given, { write, now, random: 0.5 })

const v2Error = (code: string, value: string, more: object = {}) =>
  JSON.stringify({ error: { code, message: { lang: 'en', value }, ...more } })
const v4Error = (code: string, message: string) => JSON.stringify({ error: { code, message } })
const locked = 'The sales order 4711 is currently being processed by user JDOE'

describe('classification of answers', () => {
  const jittered: RetryRule = { afterMs: 32_500 }
  const table: readonly [what: string, given: Answer, code: string, retry: RetryRule, effect: string][] = [
    ['400 business error', answer(400, v2Error('V1/302', 'No such material')), 'target-rejected', 'never', 'none'],
    ['400 with lock text, V2', answer(400, v2Error('VL/045', locked)), 'target-locked', jittered, 'none'],
    ['409 with lock text, V4', answer(409, v4Error('VL/045', locked)), 'target-locked', jittered, 'none'],
    [
      '422 with lock text',
      answer(422, v4Error('X', 'Object is locked by user JDOE')),
      'target-locked',
      jittered,
      'none',
    ],
    [
      '500 with lock text',
      answer(500, v4Error('X', 'Object is locked by user JDOE')),
      'target-locked',
      jittered,
      'none',
    ],
    ['423', answer(423), 'target-locked', jittered, 'none'],
    ['409 without', answer(409, v4Error('409', 'Exists')), 'target-rejected', 'never', 'none'],
    ['401', answer(401, '<html>Logon failed</html>'), 'target-unauthorized', { afterMs: 300_000 }, 'none'],
    ['403', answer(403), 'target-forbidden', 'never', 'none'],
    ['403, token', answer(403, '', { 'x-csrf-token': 'Required' }), 'target-csrf', 'backoff', 'none'],
    ['404', answer(404), 'target-not-found', 'never', 'none'],
    ['405', answer(405), 'target-misconfigured', 'never', 'none'],
    ['408', answer(408), 'target-unavailable', 'backoff', 'unknown'],
    ['412', answer(412), 'target-changed', 'backoff', 'none'],
    ['428', answer(428), 'target-etag-required', 'never', 'none'],
    ['429', answer(429), 'target-busy', 'backoff', 'none'],
    ['429 in seconds', answer(429, '', { 'retry-after': '7' }), 'target-busy', { afterMs: 7_000 }, 'none'],
    [
      '503 until a date',
      answer(503, '', { 'retry-after': 'Thu, 01 Jan 2026 00:01:00 GMT' }),
      'target-busy',
      { afterMs: 60_000 },
      'none',
    ],
    // Mutation: `effect: 'none'`, and a create that a proxy lost after it was sent is made twice.
    ['503 of whoever', answer(503, 'upstream connect error'), 'target-busy', 'backoff', 'unknown'],
    ['500 short dump', answer(500, '<html>'), 'target-unavailable', 'backoff', 'unknown'],
    ['501', answer(501), 'target-misconfigured', 'never', 'none'],
    ['502', answer(502), 'target-unavailable', 'backoff', 'unknown'],
    ['504', answer(504), 'target-unavailable', 'backoff', 'unknown'],
    ['307', answer(307, '', { location: 'https://internal/' }), 'target-misconfigured', 'never', 'none'],
    [
      'sign-on page with 200',
      answer(200, '<html>', { 'content-type': 'text/html;charset=utf-8' }),
      'target-unauthorized',
      { afterMs: 300_000 },
      'none',
    ],
    [
      'request processed before',
      answer(400, v2Error('/IWBEP/CM_COS/005', 'RequestID is outdated')),
      'target-repeated',
      'backoff',
      'unknown',
    ],
    [
      'idempotency not set up',
      answer(400, v2Error('/IWBEP/CM_COS/001', 'Check configuration')),
      'target-misconfigured',
      'never',
      'none',
    ],
    [
      '412 of a preference',
      answer(412, '', { 'preference-applied': 'handling=strict' }),
      'target-rejected',
      'never',
      'none',
    ],
  ]
  for (const [what, given, code, retry, effect] of table) {
    it(`of a write: ${what} → ${code}`, () => {
      const fault = classify(given)
      expect({ code: fault.code, retry: fault.retry, effect: fault.effect }).to.deep.equal({ code, retry, effect })
      expect(fault.httpStatus).to.equal(given.status)
    })
  }

  it('never leaves an effect open for a read', () => {
    for (const status of [307, 400, 401, 403, 404, 408, 412, 429, 500, 502, 503, 504]) {
      expect(classify(answer(status), false).effect, String(status)).to.equal('none')
    }
  })

  it('spreads the return to a lock over 5 to 60 s', () => {
    const at = (random: number) => classifyAnswer(answer(423), { write: true, now, random }).retry
    expect(at(0)).to.deep.equal({ afterMs: 5_000 })
    expect(at(0.999999)).to.deep.equal({ afterMs: 59_999 })
  })

  it('carries SAP’s text, code, transaction and time, and nothing of the rest of the body', () => {
    const given = v2Error('/IWBEP/CX_MGW_BUSI_EXCEPTION', 'Enter a date', {
      innererror: {
        transactionid: '0EAD47B795654D6E',
        timestamp: '20260101000000.1234567',
        errordetails: [
          { code: 'V1/302', message: 'Enter a date', severity: 'error' },
          { code: 'V1/303', message: 'Enter a plant', severity: 'error' },
          { code: '/IWBEP/CX_MGW_BUSI_EXCEPTION', message: 'An exception was raised', severity: 'error' },
        ],
      },
      echo: 'secret-payload',
    })
    expect(classify(answer(400, given)).message).to.equal(
      'Enter a date / Enter a plant (HTTP 400, code /IWBEP/CX_MGW_BUSI_EXCEPTION, transaction 0EAD47B795654D6E, ' +
        'at 20260101000000.1234567). Correct the data or the mapping, then retry the event.',
    )
  })

  it('keeps the message under 2 KB and the body out of it, whatever comes', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 300, max: 599 }),
        fc.string({ maxLength: 20_000, unit: 'binary' }),
        (status, text) => {
          for (const body of [text, `<html>${text}`, `{"x":${JSON.stringify(text)}}`, v4Error('C', text)]) {
            expect(classify(answer(status, body)).message.length).to.be.at.most(MAX_MESSAGE_LENGTH)
          }
          const echoed = classify(answer(status, `{"x":${JSON.stringify(`needle${text}`)}}`)).message
          expect(echoed).to.not.include('needle')
        },
      ),
    )
  })
})

describe('classification of failures', () => {
  const table: readonly [FailureReason, boolean, boolean, string, string, RetryRule][] = [
    ['unreachable', true, false, 'target-unreachable', 'none', 'backoff'],
    ['timeout', true, true, 'target-timeout', 'unknown', 'backoff'],
    ['timeout', true, false, 'target-timeout', 'none', 'backoff'],
    ['timeout', false, true, 'target-timeout', 'none', 'backoff'],
    ['lost', true, true, 'target-connection-lost', 'unknown', 'backoff'],
    ['aborted', true, true, 'target-aborted', 'unknown', 'backoff'],
    ['aborted', true, false, 'target-aborted', 'none', 'backoff'],
    ['too-large', true, true, 'target-response-too-large', 'unknown', 'backoff'],
    ['too-large', false, true, 'target-response-too-large', 'none', 'never'],
  ]
  for (const [reason, write, sent, code, effect, retry] of table) {
    it(`${write ? 'write' : 'read'}, ${reason}, ${sent ? 'sent' : 'not sent'} → ${code}, effect ${effect}`, () => {
      const fault = classifyFailure(new TransportFailure(reason, 'ECODE', sent), write)
      expect(fault).to.include({ code, effect, retry })
    })
  }
})

describe('SAP’s own words', () => {
  it('knows a lock from what sounds like one', () => {
    const locks = [
      'Object is locked by user JDOE',
      locked,
      'Purchase Order 4500000001 is locked in another session',
      'Transaction is being processed by user SAP_WFRT',
      'User JDOE already processing sales order 4711',
      'record locked by user 0815',
    ]
    const others = [
      'Customer 17 is locked for posting',
      'Material is centrally locked',
      'Order 4711 was processed successfully by the system',
      'Enter a date',
    ]
    expect(locks.filter((text) => !isLockText(text))).to.deep.equal([])
    expect(others.filter(isLockText)).to.deep.equal([])
  })

  it('tells a missing record from a missing service', () => {
    expect(isRecordMissing(answer(404, v2Error('/IWBEP/CM_MGW_RT/020', 'Resource not found')))).to.equal(true)
    expect(isRecordMissing(answer(404, v4Error('404', 'Not Found')))).to.equal(true)
    expect(isRecordMissing(answer(404, v2Error('/IWFND/MED/170', 'No service found')))).to.equal(false)
    expect(isRecordMissing(answer(404, '<html>not here</html>'))).to.equal(false)
    expect(isRecordMissing(answer(404))).to.equal(false)
    expect(isRecordMissing(answer(400, v4Error('404', 'Not Found')))).to.equal(false)
  })

  it('tells a token from an authorization, and a conflict from a preference', () => {
    expect(isCsrfRefusal(answer(403, '', { 'x-csrf-token': 'required' }))).to.equal(true)
    expect(isCsrfRefusal(answer(403))).to.equal(false)
    expect(isConflict(answer(412))).to.equal(true)
    expect(isConflict(answer(412, '', { 'preference-applied': 'handling=strict' }))).to.equal(false)
  })

  it('reads errors as JSON of V2, V3 and V4, and as XML', () => {
    expect(readErrorBody('{"odata.error":{"code":"","message":{"value":"v3"}}}')?.texts).to.deep.equal(['v3'])
    expect(readErrorBody('{"error":{"code":5,"message":"v4"}}')).to.deep.equal({ code: '5', texts: ['v4'] })
    const sapV4 =
      '{"error":{"code":"A/1","message":"m","innererror":{"ErrorDetails":{"@SAP__common.TransactionId":"T"}}}}'
    expect(readErrorBody(sapV4)).to.include({ transactionId: 'T' })
    const xml =
      '<?xml version="1.0"?><error xmlns="x"><code>/IWFND/MED/170</code><message xml:lang="en">No &lt;service&gt;' +
      '</message><innererror><transactionid>TX</transactionid></innererror></error>'
    expect(readErrorBody(xml)).to.deep.equal({ code: '/IWFND/MED/170', texts: ['No <service>'], transactionId: 'TX' })
    for (const nothing of ['', 'plain', '<html><h1>error</h1></html>', '{', '{"error":null}', '[]', '{"a":1}']) {
      expect(readErrorBody(nothing), nothing).to.equal(undefined)
    }
  })

  it('survives any error body', () => {
    fc.assert(fc.property(fc.json(), (json) => void readErrorBody(json)))
    fc.assert(fc.property(fc.json(), (json) => void readErrorBody(`{"error":${json}}`)))
  })

  it('reads Retry-After in seconds and as a date, and nothing else', () => {
    expect(retryAfterMs('120', now)).to.equal(120_000)
    expect(retryAfterMs('Wed, 31 Dec 2025 23:00:00 GMT', now)).to.equal(0)
    for (const odd of ['', '-1', '1.5', 'soon', '9999999999', '2026-01-01']) {
      expect(retryAfterMs(odd, now), odd).to.equal(undefined)
    }
  })
})
