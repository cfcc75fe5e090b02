import { readFileSync } from 'node:fs'
import { PermanentError } from 'cap-sluice'
import { expect } from 'chai'
import express from 'express'
import { register } from 'prom-client'
import type { Observation } from '#domain/telemetry'
import { memoryInbox } from '../../adapters/inbox/memory/index.ts'
import { METRICS, type PrometheusMetrics, prometheus } from '../../adapters/metrics/prometheus.ts'
import { virtualClock } from '../../testing/virtual-clock.ts'
import { until } from '../crash/helpers/until.ts'
import { fakeTarget } from '../helpers/fake-target.ts'
import { type FrontDoor, frontDoor } from '../helpers/front-door.ts'
import { hmacSource, signed } from '../helpers/hmac-source.ts'
import { gate, never, untilSo } from '../helpers/turns.ts'

const QUIET: Observation = {
  store: { ok: true },
  backlog: [],
  lastDeliveryAt: {},
  polls: {},
  busy: {},
  risks: [],
}

/** Samples by name and labels, as Prometheus reads them. https://prometheus.io/docs/instrumenting/exposition_formats/ */
const samples = (text: string): Record<string, number> =>
  Object.fromEntries(
    text
      .split('\n')
      .filter((line) => line && !line.startsWith('#'))
      .map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ') + 1))]),
  )

const names = (text: string): string[] => [...text.matchAll(/^# TYPE (\S+)/gm)].map(([, name = '']) => name)

describe('metrics', () => {
  let door: FrontDoor | undefined
  afterEach(async () => {
    await door?.close()
    door = undefined
  })

  it('are a closed list in a registry of their own: the app’s metrics never collide with them', async () => {
    const text = await prometheus().text(undefined)
    // Beside another gateway of the same process.
    expect(names(await prometheus().text(undefined))).to.have.members([...METRICS])
    expect(names(text)).to.have.members([...METRICS])
    expect(await register.getMetricsAsJSON(), 'the global registry').to.deep.equal([])
    expect(samples(text)).to.include({ sluice_store_up: 0 })
    expect(text).to.match(/^sluice_build_info\{version="\d+\.\d+\.\d+[^"]*"\} 1$/m)
  })

  it('are explained to operators, each of them and no others', () => {
    const guide = readFileSync(new URL('../../docs/guides/operate.md', import.meta.url), 'utf8')
    const explained = [...guide.matchAll(/^\| (`sluice_.+?) \|/gm)].flatMap(([, cell = '']) =>
      [...cell.matchAll(/`(\w+)`/g)].map(([, name]) => name),
    )
    expect(explained).to.have.members([...METRICS])
  })

  it('tell of the process only where that is asked for', async () => {
    expect(await prometheus({ process: true }).text(undefined)).to.include('process_cpu_seconds_total')
  })

  it('count deliveries, refusals, commits and the ends of dispatches, from the wire to the handler', async () => {
    const clock = virtualClock('2026-01-01T00:00:00Z')
    const inbox = memoryInbox({ now: clock.now })
    const metrics = prometheus({ now: () => clock.now().getTime() })
    let tries = 0
    door = await frontDoor({
      clock,
      inbox,
      meter: metrics.meter,
      subscriptions: [
        {
          name: 'books',
          on: ['*'],
          order: 'none',
          retry: { baseMs: 1_000 },
          handler: () => {
            tries += 1
            if (tries === 1) throw new Error('once')
          },
        },
        {
          name: 'broken',
          on: ['*'],
          order: 'none',
          handler: () => {
            throw new PermanentError('never')
          },
        },
      ],
    })
    const { gateway, send } = door
    const first = '{"n":1}'
    await send({ body: first, headers: signed(first) })
    await send({ body: first, headers: signed(first) })
    await send({ body: first, headers: { 'x-signature': 'no' } })
    await gateway.receive({ method: 'POST', url: '/webhooks/who-knows', headers: {}, body: Buffer.from('') })
    await untilSo(() => tries === 1)
    await clock.advance(60_000)
    const shown = samples(await metrics.text(gateway))
    expect(shown).to.include({
      'sluice_deliveries_total{source="shop",outcome="accepted"}': 1,
      'sluice_deliveries_total{source="shop",outcome="duplicate"}': 1,
      'sluice_refusals_total{source="shop",reason="signature-invalid"}': 1,
      'sluice_refusals_total{source="",reason="unknown-source"}': 1,
      sluice_commit_duration_seconds_count: 2,
      'sluice_dispatches_total{subscription="books",end="retry"}': 1,
      'sluice_dispatches_total{subscription="books",end="done"}': 1,
      'sluice_dispatches_total{subscription="broken",end="dead"}': 1,
      'sluice_attempt_duration_seconds_count{subscription="books"}': 2,
      'sluice_lanes{subscription="broken",state="due"}': 0,
      'sluice_worker_lanes_limit{subscription="books"}': shown['sluice_worker_lanes_limit{subscription="broken"}'],
      'sluice_worker_lanes{subscription="books"}': 0,
      'sluice_last_delivery_timestamp_seconds{source="shop"}': Date.parse('2026-01-01T00:00:00Z') / 1_000,
      sluice_store_up: 1,
      sluice_store_clock_offset_seconds: 0,
    })
    expect(JSON.stringify(shown)).not.to.include('who-knows')
  })

  it('count what is refused before its body is read', async () => {
    const metrics = prometheus()
    door = await frontDoor({
      meter: metrics.meter,
      before: express.json(),
      limits: { maxBytes: 10, budgetBytes: 10 },
    })
    const json = { 'content-type': 'application/json' }
    expect((await door.send({ body: '{}', headers: json })).status, 'a body parser was first').to.equal(500)
    expect((await door.send({ body: 'far too large' })).status).to.equal(413)
    // Somebody holds eight of the ten bytes there are for all.
    const slow = await door.socket()
    slow.write('POST /webhooks/shop HTTP/1.1\r\nhost: here\r\ncontent-length: 10\r\n\r\n12345678')
    const { send } = door
    await until('there is no room', async () => (await send({ body: 'too much' })).status === 503)
    slow.destroy()
    expect(samples(await metrics.text(undefined))).to.include({
      'sluice_refusals_total{source="shop",reason="body-consumed"}': 1,
      'sluice_refusals_total{source="shop",reason="too-large"}': 1,
      'sluice_refusals_total{source="shop",reason="overloaded"}': 1,
    })
  })

  it('show what waits, since when, and what is being worked on', async () => {
    const clock = virtualClock()
    const inbox = memoryInbox({ now: clock.now })
    const metrics = prometheus({ now: () => clock.now().getTime() })
    const finish = gate()
    let running = 0
    door = await frontDoor({
      clock,
      inbox,
      meter: metrics.meter,
      subscriptions: [
        {
          name: 'books',
          on: ['*'],
          order: 'none',
          concurrency: 2,
          handler: () => {
            running += 1
            return finish.passed
          },
        },
      ],
    })
    for (const body of ['{"n":1}', '{"n":2}', '{"n":3}']) await door.send({ body, headers: signed(body) })
    await untilSo(() => running === 2)
    await clock.advance(5_000)
    expect(samples(await metrics.text(door.gateway))).to.include({
      'sluice_lanes{subscription="books",state="due"}': 1,
      'sluice_lanes{subscription="books",state="leased"}': 2,
      'sluice_lanes{subscription="books",state="blocked"}': 0,
      'sluice_oldest_waiting_seconds{subscription="books"}': 5,
      'sluice_worker_lanes{subscription="books"}': 2,
      'sluice_worker_lanes_limit{subscription="books"}': 2,
    })
    finish.open()
  })

  it('count polls and what retention removes', async () => {
    const { meter, text } = prometheus()
    meter.polled('orders', 'ran', 3)
    meter.polled('orders', 'not-leader', 0)
    meter.retained({ payloads: 500, events: 20, lanes: 0 })
    expect(samples(await text(undefined))).to.include({
      'sluice_polls_total{poll="orders",result="ran"}': 1,
      'sluice_polls_total{poll="orders",result="not-leader"}': 1,
      'sluice_poll_events_total{poll="orders"}': 3,
      'sluice_retention_removed_total{kind="payloads"}': 500,
      'sluice_retention_removed_total{kind="events"}': 20,
    })
  })

  // Fails where the time of the last look counts, and where silence is told by the process that leads the poll only.
  it('show how far a poll has read, and that push has fallen silent', async () => {
    const clock = virtualClock('2026-01-01T00:00:00Z')
    const metrics = prometheus({ now: () => clock.now().getTime() })
    const orders = {
      name: 'orders',
      target: 'erp',
      entity: 'Orders',
      type: 'order.changed.v1',
      object: 'Order',
      schedule: { slotsBetween: () => [clock.now()], start: () => ({ stop() {} }) },
      overlapMs: 0,
      pageSize: 100,
      when: 'stale',
      backs: 'shop',
      staleAfterMs: 60_000,
      startFrom: 'now',
    } as const
    const target = { ...fakeTarget().target, changes: async () => ({ rows: [] }) }
    door = await frontDoor({ clock, inbox: memoryInbox({ now: clock.now }), targets: { erp: target }, polls: [orders] })
    const { gateway, send } = door
    const shown = async () => samples(await metrics.text(gateway))
    await send({ body: '{}', headers: signed('{}') })
    expect((await gateway.poll('orders')).reason).to.equal('push-is-alive')
    expect(await shown()).to.include({ 'sluice_push_silent{poll="orders"}': 0 })
    expect(await shown(), 'it has not read yet').not.to.have.property(
      'sluice_poll_completed_timestamp_seconds{poll="orders"}',
    )
    await clock.advance(61_000)
    expect((await gateway.poll('orders')).ran).to.equal(true)
    expect(await shown()).to.include({
      'sluice_push_silent{poll="orders"}': 1,
      'sluice_poll_completed_timestamp_seconds{poll="orders"}': clock.now().getTime() / 1_000,
    })
    await send({ body: '{"n":2}', headers: signed('{"n":2}') })
    await clock.advance(5_000)
    expect(await shown()).to.include({ 'sluice_push_silent{poll="orders"}': 0 })
  })

  it('cost the store one look in a while, however many scrape at once', async () => {
    let at = 0
    let looks = 0
    const metrics = prometheus({ now: () => at })
    const gateway = {
      observe: async () => {
        looks += 1
        return { ...QUIET, store: { ok: true, clockOffsetMs: 1_500 } }
      },
    }
    const scrape = async (metrics: PrometheusMetrics) => metrics.text(gateway)
    for (const text of await Promise.all(Array.from({ length: 20 }, () => scrape(metrics)))) {
      expect(samples(text)).to.include({ sluice_store_up: 1, sluice_store_clock_offset_seconds: 1.5 })
    }
    at = 4_999
    await scrape(metrics)
    expect(looks).to.equal(1)
    at = 5_000
    await scrape(metrics)
    expect(looks).to.equal(2)
  })

  it('never grow with what senders or foreign sources say', async () => {
    const metrics = prometheus()
    door = await frontDoor({
      meter: metrics.meter,
      sources: {
        shop: hmacSource({ verify: ({ body }) => ({ ok: false, reason: Buffer.from(body).toString() as never }) }),
      },
    })
    for (let n = 0; n < 300; n += 1) {
      const answer = await door.gateway.receive({
        method: 'POST',
        url: `/webhooks/shop?q=${n}`,
        headers: {},
        body: Buffer.from(`reason ${n}`),
      })
      expect(answer.status).to.equal(401)
      await door.gateway.receive({ method: 'POST', url: `/webhooks/name-${n}`, headers: {}, body: Buffer.from('') })
    }
    const refusals = Object.entries(samples(await metrics.text(undefined))).filter(([name]) =>
      name.startsWith('sluice_refusals'),
    )
    expect(refusals.length).to.be.at.most(101)
    expect(refusals.reduce((sum, [, count]) => sum + count, 0)).to.equal(600)
  })

  it('say that a store is down, at once and without its old numbers', async () => {
    const clock = virtualClock()
    const inbox = memoryInbox({ now: clock.now })
    let isDown = false
    const metrics = prometheus({ now: () => clock.now().getTime() })
    door = await frontDoor({
      clock,
      inbox: {
        ...inbox,
        work: { ...inbox.work, backlog: (...asked) => (isDown ? never() : inbox.work.backlog(...asked)) },
      },
      meter: metrics.meter,
      subscriptions: [{ name: 'books', on: ['*'], handler: () => undefined }],
    })
    expect(await metrics.text(door.gateway))
      .to.match(/^sluice_store_up 1$/m)
      .and.include('sluice_lanes{')
    isDown = true
    await clock.advance(5_000)
    const scraped = metrics.text(door.gateway)
    await clock.advance(2_000)
    expect(await scraped)
      .to.match(/^sluice_store_up 0$/m)
      .and.not.include('sluice_lanes{')
    expect(door.log.messages('warn')).to.include('the store does not say how things stand')
  })
})
