import { expect } from 'chai'
import fc from 'fast-check'
import type { GatewayClient } from '../../bin/gateway/client.ts'
import { parseMoment } from '../../bin/gateway/filters.ts'
import { firstKeyAt, keyPath, madeAt, quote } from '../../bin/gateway/odata.ts'
import type { EventRow } from '../../bin/gateway/rows.ts'
import { carryOut } from '../../bin/operate.ts'
import { parseOptions } from '../../bin/project.ts'
import { layOut } from '../../bin/table.ts'
import { follow, readStart } from '../../bin/tail.ts'
import type { Terminal } from '../../bin/terminal.ts'
import { nearest, safe, span, toJson, wrap } from '../../bin/text.ts'
import { parseHeaders, parseRequest } from '../../bin/verify/request.ts'
import { serve } from '../helpers/http-server.ts'
import { here, lines } from './helpers/cli.ts'

const key = (ms: number, n = 0) => firstKeyAt(ms).slice(0, -12) + String(n).padStart(12, '0')
const dispatch = (ID: string, status: string, attempts = 1) => ({
  ID,
  subscription: 's',
  run: 1,
  status,
  mplStatus: status === 'done' ? 'COMPLETED' : 'PROCESSING',
  reason: null,
  attempts,
  availableAt: null,
  finishedAt: null,
})
const row = (event: string, status?: string): EventRow => ({
  event,
  delivery: 'd',
  origin: 'o',
  receivedAt: '2026-03-01T12:00:00Z',
  id: event,
  type: 't',
  subject: null,
  unrouted: status === undefined,
  dispatches: status === undefined ? [] : [dispatch(`${event}:s:1`, status)],
})

/** An operator API over a list; answers the questions that `tail` asks. */
function inbox(rows: EventRow[]) {
  const state = { down: false, downAfter: Number.POSITIVE_INFINITY }
  const read = async (
    _entity: string,
    { filter = '', orderby = '', top = 1_000 }: { filter?: string | undefined; orderby?: string; top?: number } = {},
  ) => {
    state.downAfter -= 1
    if (state.down || state.downAfter < 0) throw new Error('down')
    const [, behind, than = ''] = /event (gt|lt) ([0-9a-f-]{36})/.exec(filter) ?? []
    const among = /event in \((.*)\)/.exec(filter)?.[1]?.split(',')
    const found = rows.filter(({ event }) =>
      among ? among.includes(event) : behind === 'gt' ? event > than : behind === 'lt' ? event < than : true,
    )
    found.sort((a, b) => (a.event < b.event ? -1 : 1))
    if (orderby.endsWith('desc')) found.reverse()
    return structuredClone(found.slice(0, top))
  }
  return { state, rows, client: { read } as unknown as GatewayClient }
}

const NOW = Date.parse('2026-03-01T12:00:00Z')

describe('following the inbox', () => {
  const told = (news: readonly { kind: string; event: EventRow | string }[]) =>
    news.filter(({ kind }) => kind === 'event').map(({ event }) => (event as EventRow).event)

  it('tells an event once that is committed after one with a later key', async () => {
    const { client, rows } = inbox([row(key(NOW))])
    const follower = follow(client, {}, await readStart(client, {}, 0), 0)
    rows.push(row(key(NOW + 2_000)))
    expect(told(await follower.look())).to.deep.equal([key(NOW + 2_000)])
    rows.push(row(key(NOW + 1_000)), row(key(NOW - 5_000)))
    expect(told(await follower.look())).to.deep.equal([key(NOW - 5_000), key(NOW + 1_000)])
    expect(told(await follower.look())).to.deep.equal([])
  })

  it('tells nothing of what was there before, but for the lines asked for', async () => {
    const { client } = inbox([1, 2, 3, 4].map((n) => row(key(NOW + n * 100))))
    const start = await readStart(client, {}, 2)
    expect(told(await follow(client, {}, start, 2).look())).to.deep.equal([key(NOW + 300), key(NOW + 400)])
    expect(told(await follow(client, {}, start, 0).look())).to.deep.equal([])
  })

  it('loses nothing where a look fails half-way', async () => {
    const store = inbox([])
    const follower = follow(store.client, {}, [], 0)
    store.rows.push(row(key(NOW), 'waiting'))
    store.state.downAfter = 1
    expect(
      await follower.look().then(
        () => 'told',
        () => 'failed',
      ),
    ).to.equal('failed')
    store.state.downAfter = Number.POSITIVE_INFINITY
    expect(told(await follower.look())).to.deep.equal([key(NOW)])
    expect(await follower.look()).to.deep.equal([])
  })

  it('tells each change of a dispatch once, until it ends', async () => {
    const store = inbox([row(key(NOW), 'waiting')])
    const follower = follow(store.client, {}, await readStart(store.client, {}, 1), 1)
    const changes = async () =>
      (await follower.look()).flatMap((news) =>
        news.kind === 'dispatch' ? [`${news.dispatch.status} ${news.dispatch.attempts}`] : [],
      )
    expect(await changes()).to.deep.equal(['waiting 1'])
    expect(await changes()).to.deep.equal([])
    store.rows[0] = { ...row(key(NOW)), unrouted: false, dispatches: [dispatch('d', 'waiting', 2)] }
    expect(await changes()).to.deep.equal(['waiting 2'])
    store.rows[0] = { ...row(key(NOW)), unrouted: false, dispatches: [dispatch('d', 'done', 3)] }
    expect(await changes()).to.deep.equal(['done 3'])
    expect(await changes()).to.deep.equal([])
  })

  it('tells every event exactly once, whatever the order of their commits within the overlap', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.integer({ min: 0, max: 25_000 }), fc.boolean()), { maxLength: 40 }),
        async (commits) => {
          const store = inbox([row(key(NOW, 999))])
          const follower = follow(store.client, {}, await readStart(store.client, {}, 0), 0)
          const all: string[] = []
          for (const [index, [late, lookNow]] of commits.entries()) {
            store.rows.push(row(key(NOW + late, index)))
            if (lookNow) all.push(...told(await follower.look()))
          }
          all.push(...told(await follower.look()))
          expect([...all].sort()).to.deep.equal(
            store.rows
              .slice(1)
              .map(({ event }) => event)
              .sort(),
          )
        },
      ),
      { numRuns: 100 },
    )
  })
})

describe('filters that mean dispatches', () => {
  const asked: string[] = []
  let server: Awaited<ReturnType<typeof serve>>
  before(async () => {
    const one = (subscription: string, status: string, mplStatus: string) => ({
      ...dispatch(`e:${subscription}:1`, status),
      subscription,
      mplStatus,
    })
    const dispatches = [
      one('a', 'dead', 'FAILED'),
      one('b', 'unsure', 'ESCALATED'),
      one('c', 'dead', 'CANCELLED'),
      one('d', 'waiting', 'RETRY'),
    ]
    server = await serve((request, response) => {
      asked.push(decodeURIComponent(request.url ?? ''))
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify({ value: [{ ...row(key(NOW)), unrouted: false, dispatches }] }))
    })
  })
  after(() => server.close())

  const wouldBe = async (...args: string[]) => {
    const { code, stdout, stderr } = await here([...args, '--dry-run', '--json', '--url', server.url], { cwd: '.' })
    expect(code, stderr).to.equal(0)
    return lines<{ id: string; subscription?: string }>(stdout).map(({ id, subscription = id }) => subscription)
  }

  // Fails when the words of a message monitor only choose events: what they do not mean would run again too.
  it('touch no other dispatch of an event that matches', async () => {
    expect(await wouldBe('retry', '--status', 'FAILED')).to.deep.equal(['e:a:1'])
    expect(await wouldBe('retry', '--status', 'FAILED', '--status', 'ESCALATED')).to.deep.equal(['e:a:1', 'e:b:1'])
    expect(await wouldBe('retry', '--status', 'RETRY'), 'what may not be retried').to.deep.equal([])
    expect(await wouldBe('discard', '--status', 'RETRY')).to.deep.equal(['e:d:1'])
    expect(await wouldBe('discard', '--application-id', 'x')).to.deep.equal(['e:a:1', 'e:b:1', 'e:c:1'])
    expect(await wouldBe('replay', '--status', 'FAILED')).to.deep.equal(['a'])
    expect(await wouldBe('replay', '--status', 'FAILED', '--state', 'unsure')).to.deep.equal([])
    expect(await wouldBe('replay', '--sender', 'SHOP'), 'the event as a whole').to.deep.equal([key(NOW)])
  })

  it('ask for one dispatch that meets all of them', async () => {
    asked.length = 0
    await wouldBe('replay', '--status', 'FAILED', '--state', 'dead', '--subscription', "o'b", '--receiver', "E'P")
    expect(asked.join()).to.include(
      "broughtBy/receiver eq 'E''P' and dispatches/any(d:d/subscription eq 'o''b' and (d/status eq 'dead') and (d/mplStatus eq 'FAILED'))",
    )
  })

  it('are needed, one at least: nobody wants to run everything again', async () => {
    for (const verb of ['replay', 'retry', 'discard']) {
      const { code, stderr } = await here([verb, '--url', server.url, '--yes'], { cwd: '.' })
      expect([code, stderr]).to.satisfy(([ended, said]: [number, string]) => ended === 2 && / what\?/.test(said))
    }
  })
})

describe('small parts of the command line', () => {
  it('make keys of moments and moments of keys', () => {
    expect(madeAt(firstKeyAt(NOW))).to.equal(NOW)
    expect(madeAt('01a1fd28-5d98-7000-bd22-c05b3a111022')).to.equal(Date.parse('2026-11-21T08:10:43.480Z'))
    expect(firstKeyAt(-1)).to.equal('00000000-0000-0000-0000-000000000000')
  })

  it('quote what goes into a filter or a path', () => {
    expect(quote("o'brien")).to.equal("'o''brien'")
    expect(keyPath('Dispatches', "a/../b?c'd")).to.equal("Dispatches('a%2F..%2Fb%3Fc''d')")
  })

  it('read moments', () => {
    expect(parseMoment('15m', '--since', NOW)).to.equal(NOW - 900_000)
    expect(parseMoment('2026-03-01', '--since', NOW)).to.equal(Date.parse('2026-03-01'))
    for (const text of ['15', 'm', '-1h', '1w', 'now', '2026-13-45'])
      expect(() => parseMoment(text, '--since', NOW), text).to.throw(/--since/)
  })

  it('read options as the configuration has them', () => {
    expect(
      parseOptions([
        'timestamp.from=X-Time',
        'timestamp.toleranceMs=60000',
        'header=["a","b"]',
        'repeated=true',
        'prefix=v1=',
      ]),
    ).to.deep.equal({
      timestamp: { from: 'X-Time', toleranceMs: 60_000 },
      header: ['a', 'b'],
      repeated: true,
      prefix: 'v1=',
    })
    const polluted = parseOptions(['__proto__.polluted=yes'])
    expect(({} as { polluted?: string }).polluted).to.equal(undefined)
    expect(Object.hasOwn(polluted, '__proto__')).to.equal(true)
    expect(() => parseOptions(['secrets=x'])).to.throw(/--secret env:NAME/)
    expect(() => parseOptions(['novalue'])).to.throw(/Write -o name=value/)
  })

  it('lay out tables that fit, or blocks', () => {
    const columns = [{ name: 'key' }, { name: 'text', min: 4 }]
    const rows = [['12345678', 'a long text indeed']]
    expect(layOut(columns, rows, undefined)).to.deep.equal({
      heading: 'KEY       TEXT',
      lines: ['12345678  a long text indeed'],
    })
    expect(layOut(columns, rows, 16).lines).to.deep.equal(['12345678  a lon…'])
    expect(layOut(columns, rows, 10).lines).to.deep.equal([
      'key:  12345678',
      'text: a long t',
      '      ext inde',
      '      ed',
    ])
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.string({ maxLength: 40 }), fc.string({ maxLength: 40 }))),
        fc.integer({ min: 20, max: 120 }),
        (cells, width) => {
          const { lines } = layOut([{ name: 'a', min: 3 }, { name: 'b' }], cells, width)
          for (const line of lines) expect(line.length).to.be.at.most(width)
        },
      ),
    )
  })

  it('make text safe, and JSON that is still JSON', () => {
    expect(safe('a\u001b[31m\u009b\n')).to.equal('a\\u001b[31m\\u009b\\u000a')
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(JSON.parse(toJson({ text }))).to.deep.equal({ text })
      }),
    )
  })

  it('wrap, span and find the word that was meant', () => {
    expect(wrap('one two three', 8, '  ')).to.equal('one two\n  three')
    expect(wrap('one two', 8, '  ', '  ')).to.equal('  one\n  two')
    expect([span(1_000), span(119_000), span(120_000), span(7_200_000), span(-172_800_000)]).to.deep.equal([
      '1 second',
      '119 seconds',
      '2 minutes',
      '2 hours',
      '2 days',
    ])
    expect(nearest('evnets', ['send', 'events'])).to.equal('events')
    expect(nearest('xyz', ['send', 'events'])).to.equal(undefined)
  })

  it('read requests as HTTP messages with either line break, and as HAR', () => {
    for (const eol of ['\r\n', '\n']) {
      const text = [
        'POST /webhooks/x?y=1 HTTP/1.1',
        'Host: shop.example',
        'X-A: 1',
        'x-a: 2',
        '',
        `{"a":${eol}1}`,
      ].join(eol)
      const request = parseRequest(Buffer.from(text))
      expect(request).to.include({ method: 'POST', url: 'https://shop.example/webhooks/x?y=1' })
      expect(request.headers.get('x-a')).to.deep.equal(['1', '2'])
      expect(Buffer.from(request.body).toString()).to.equal(`{"a":${eol}1}`)
    }
    const har = {
      log: {
        entries: [
          {
            startedDateTime: '2026-03-01T12:00:00Z',
            request: {
              method: 'POST',
              url: 'https://x/y',
              headers: [{ name: 'A', value: 'b' }],
              postData: { text: 'ü' },
            },
          },
        ],
      },
    }
    const read = parseRequest(Buffer.from(JSON.stringify(har)))
    expect([read.at?.getTime(), Buffer.from(read.body).toString(), read.headers.get('a')]).to.deep.equal([
      NOW,
      'ü',
      ['b'],
    ])
    for (const bad of ['', 'hello', '{}', '{"log":{}}', '{', 'POST'])
      expect(() => parseRequest(Buffer.from(bad)), bad).to.throw(/--request/)
    expect(() => parseHeaders(['no header'])).to.throw(/Name: value/)
  })

  it('stop a batch at the first fault that all would share, and go on after one that is its own', async () => {
    const said: string[] = []
    const terminal = {
      out: (line: string) => said.push(line),
      note: (line: string) => said.push(line),
      progress: () => undefined,
      paint: (_style: unknown, text: string) => text,
    } as unknown as Terminal
    const { SluiceError } = await import('#domain/errors')
    const items = ['a', 'b', 'c'].map((id) => ({ id, label: '' }))
    const options = { dryRun: false, yes: true, json: true, named: false }
    const failing = (code: string) => ({
      verb: 'retry',
      noun: 'dispatch' as const,
      items,
      act: async (_client: unknown, { id }: { id: string }) => {
        if (id === 'b') throw new SluiceError(code, code)
      },
    })
    expect(await carryOut(failing('conflict'), {} as GatewayClient, options, terminal)).to.equal(1)
    expect(said.map((line) => JSON.parse(line).ok)).to.deep.equal([true, false, true])
    said.length = 0
    const stopped = await carryOut(failing('gateway-refused'), {} as GatewayClient, options, terminal).catch(
      (thrown: { code: string }) => thrown.code,
    )
    expect(stopped).to.equal('gateway-refused')
    expect(said).to.have.length(2)
    expect(said[1]).to.equal('Stopped after 1 of 3 dispatches.')
  })
})
