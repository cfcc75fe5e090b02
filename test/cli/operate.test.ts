import { expect } from 'chai'
import { endAll, here, lines, sluice, start } from './helpers/cli.ts'
import { CALLER, SECRET, SOURCES, type TestGateway, testGateway } from './helpers/gateway.ts'

const { github, stripe } = SOURCES
const http = { ...SOURCES.http, csrf: false }

interface Event {
  event: string
  id: string
  origin: string
  dispatches: { ID: string; status: string; mplStatus: string; run: number }[]
}

describe('sluice against a gateway', () => {
  let gateway: TestGateway
  before(async () => {
    gateway = await testGateway({ github, stripe, http })
  })
  afterEach(endAll)
  after(() => gateway?.cleanUp())

  const send = async (kind: string, id: string, ...more: string[]) => {
    const args = [
      'send',
      kind,
      '--url',
      `${gateway.url}/webhooks/${kind}`,
      '--secret',
      'env:SECRET',
      '--id',
      id,
      ...more,
    ]
    const { code, stderr } = await here(args, { env: { SECRET } })
    if (code !== 0) throw new Error(stderr)
  }
  /** Waits for the last run of every dispatch of an event. */
  const settled = async (id: string): Promise<Event> => {
    for (;;) {
      const { stdout } = await gateway.run(['events', '--id', id, '--json'])
      const [event] = lines<Event>(stdout)
      if (event && event.dispatches.length > 0 && event.dispatches.every(({ status }) => status !== 'waiting'))
        return event
    }
  }

  describe('events', () => {
    it('says so when there is nothing', async () => {
      expect(await gateway.run(['events', '--source', 'nothing'])).to.deep.equal({
        code: 0,
        stdout: '',
        stderr: 'No event matches.\n',
      })
      expect((await gateway.run(['events', '--source', 'nothing', '--json'])).stdout).to.equal('')
    })

    it('filters by source, type, state and time, newest first', async () => {
      await send('stripe', 'evt_a', '--count', '3')
      await send('github', 'gh_a')
      await Promise.all(['evt_a', 'evt_a-2', 'evt_a-3', 'gh_a'].map(settled))
      const ids = async (...args: string[]) =>
        lines<Event>((await gateway.run(['events', '--json', ...args])).stdout).map(({ id }) => id)
      expect(await ids('--source', 'stripe')).to.deep.equal(['evt_a-3', 'evt_a-2', 'evt_a'])
      expect(await ids('--source', 'stripe', '--limit', '2')).to.deep.equal(['evt_a-3', 'evt_a-2'])
      expect(await ids('--type', 'work.ticket.created.v1')).to.deep.equal(['gh_a'])
      expect(await ids('--type', 'payment.*', '--state', 'done')).to.have.length(3)
      expect(await ids('--state', 'dead')).to.deep.equal([])
      expect(await ids('--state', 'done', '--state', 'dead', '--subscription', 'all')).to.have.length(4)
      expect(await ids('--since', '1h', '--until', '2099-01-01')).to.have.length(4)
      expect(await ids('--since', '2099-01-01T00:00:00Z')).to.deep.equal([])
      expect(await ids('--source', "o'brien")).to.deep.equal([])
    })

    it('shows a table without color in a pipe', async () => {
      const { stdout } = await sluice(['events', '--source', 'github'], {
        env: { SLUICE_URL: gateway.url, SLUICE_USER: 'operator' },
      })
      const [heading, row] = stdout.split('\n')
      expect(heading).to.match(/^EVENT +RECEIVED +SOURCE +TYPE +SUBJECT +STATE$/)
      expect(row).to.match(
        /^[0-9a-f-]{36} {2}\d{4}-\d\d-\d\d \d\d:\d\d:\d\d {2}github {2}work\.ticket\.created\.v1 {2}1 +done$/,
      )
    })
  })

  describe('show', () => {
    it('shows delivery, dispatches and attempts, by key or by the id of the sender', async () => {
      await send('stripe', 'evt_show')
      const { event } = await settled('evt_show')
      const byId = await gateway.run(['show', 'evt_show'])
      expect(byId).to.include({ code: 0, stderr: '' })
      expect(byId.stdout)
        .to.match(new RegExp(`^Event ${event}\\n`))
        .and.to.include('outcome: accepted')
        .and.to.include('all: done')
      expect(byId.stdout).to.match(/#1 \d{4}-.* ok/)
      expect((await gateway.run(['show', event])).stdout).to.equal(byId.stdout)
      const json = JSON.parse((await gateway.run(['show', event, '--json'])).stdout)
      expect(json).to.include({ event, id: 'evt_show' })
      expect(json.delivery).to.include({ source: 'stripe', outcome: 'accepted' })
      expect(json).not.to.have.property('payload')
    })

    it('finds an iFlow caller’s message by the id it was answered, also where no event was made of it', async () => {
      const post = async (body: string) => {
        const headers = {
          authorization: `Basic ${Buffer.from(CALLER).toString('base64')}`,
          'content-type': 'application/json',
          SAP_ApplicationID: 'PO-4711',
        }
        const answer = await fetch(`${gateway.url}/http/orders`, { method: 'POST', headers, body })
        return String(answer.headers.get('sap_messageprocessinglogid'))
      }
      const [good, bad] = [await post('{"fail":"no"}'), await post('{')]
      const found = async (...args: string[]) =>
        lines<Event & { delivery: string }>((await gateway.run(['events', '--json', ...args])).stdout)
      for (;;) {
        const [event, ...more] = await found('--delivery', good, '--application-id', 'PO-4711', '--status', 'FAILED')
        if (!event) continue
        expect([event.delivery, more.length, event.dispatches[0]]).to.deep.include(good).and.deep.include(0)
        expect(event.dispatches[0]).to.include({ status: 'dead', mplStatus: 'FAILED' })
        break
      }
      const shown = await gateway.run(['show', good])
      expect(shown.stdout)
        .to.match(/all: dead \(Error\) {2}FAILED/)
        .and.include('applicationId: PO-4711')
      const waiting = await gateway.run(['show', bad])
      expect(waiting.stdout)
        .to.match(new RegExp(`^Delivery ${bad}\n`))
        .and.include('outcome: quarantined')
      expect(JSON.parse((await gateway.run(['show', bad, '--json'])).stdout)).to.have.property('event', null)
      expect(await gateway.run(['events', '--delivery', 'AGO_s9'])).to.include({ code: 2 })
    })

    it('shows the payload to an operator who asks, and to nobody else', async () => {
      const asked = await gateway.run(['show', 'evt_show', '--payload'])
      expect(asked.stdout).to.include('amount_received')
      expect((await gateway.run(['show', 'evt_show'])).stdout).not.to.include('amount_received')
      const viewer = await gateway.run(['show', 'evt_show', '--payload'], { env: { SLUICE_USER: 'viewer' } })
      expect(viewer.code).to.equal(3)
      expect(viewer.stdout).to.equal('')
      expect(viewer.stderr).to.include('SluiceOperator')
    })

    it('ends with 1 where there is no such event', async () => {
      expect(await gateway.run(['show', 'nothing'])).to.deep.equal({
        code: 1,
        stdout: '',
        stderr: 'There is no event "nothing".\n',
      })
    })

    it('asks back where several senders use the id', async () => {
      await send('stripe', 'shared')
      await send('github', 'shared')
      const { code, stderr } = await gateway.run(['show', 'shared'])
      expect(code).to.equal(2)
      expect(stderr).to.match(/"shared" stands for several events: .*\(stripe\).*\(github\)|\(github\).*\(stripe\)/)
    })
  })

  describe('replay, retry, discard', () => {
    it('replays one event as a new run', async () => {
      await send('stripe', 'evt_replay')
      const { event } = await settled('evt_replay')
      const { code, stdout } = await gateway.run(['replay', event, '--json'])
      expect(code).to.equal(0)
      expect(lines(stdout)).to.deep.equal([{ id: event, action: 'replay', ok: true, result: [`${event}:all:2`] }])
      expect((await settled('evt_replay')).dispatches.map(({ run }) => run)).to.deep.equal([1, 2])
    })

    it('only says what it would do with --dry-run', async () => {
      const { code, stdout } = await gateway.run(['replay', '--source', 'stripe', '--type', 'payment.*', '--dry-run'])
      expect(code).to.equal(0)
      expect(stdout)
        .to.match(/^would replay [0-9a-f-]{36} stripe payment/)
        .and.to.match(/Nothing was done\.\n$/)
      expect((await settled('evt_a')).dispatches).to.have.length(1)
      expect(lines((await gateway.run(['replay', '--source', 'github', '--dry-run', '--json'])).stdout)[0]).to.include({
        action: 'replay',
        dryRun: true,
      })
    })

    it('does not act on a filter where nobody can be asked', async () => {
      const { code, stderr } = await gateway.run(['replay', '--source', 'github'])
      expect(code).to.equal(2)
      expect(stderr).to.include('Give --yes, or look first with --dry-run')
      expect((await settled('gh_a')).dispatches).to.have.length(1)
    })

    it('needs to know what', async () => {
      for (const verb of ['replay', 'retry', 'discard']) {
        expect((await gateway.run([verb, '--yes'])).code, verb).to.equal(2)
      }
      expect((await gateway.run(['replay', 'evt_a'])).stderr).to.include('"evt_a" is no key of an event')
    })

    it('replays all that match with --yes', async () => {
      const { code, stdout } = await gateway.run(['replay', '--source', 'github', '--subscription', 'all', '--yes'])
      expect(code).to.equal(0)
      expect(stdout).to.include('2 dispatches done.').and.to.include(' for all ')
      expect((await settled('gh_a')).dispatches).to.have.length(2)
    })

    it('replays what is dead only for the subscription it is dead for', async () => {
      await send('stripe', 'unused', '--file', 'test/cli/fixtures/failing.json')
      const { event } = await settled('evt_failing')
      const dead = lines(
        (await gateway.run(['replay', '--source', 'stripe', '--state', 'dead', '--dry-run', '--json'])).stdout,
      )
      expect(dead).to.deep.equal([{ id: event, subscription: 'all', action: 'replay', dryRun: true }])
      const whole = lines(
        (await gateway.run(['replay', '--type', 'stripe.charge.failed', '--dry-run', '--json'])).stdout,
      )
      expect(whole).to.deep.equal([{ id: event, action: 'replay', dryRun: true }])
    })

    it('retries and discards dead dispatches, one or all; a second time is a conflict', async () => {
      const failing = ['--file', 'test/cli/fixtures/failing.json']
      await send('stripe', 'unused', ...failing)
      const { dispatches } = await settled('evt_failing')
      const [dispatch] = dispatches
      expect(dispatch?.status).to.equal('dead')
      const retryAll = ['retry', '--source', 'stripe', '--state', 'dead', '--yes']
      expect((await gateway.run(retryAll)).stdout).to.include('retry ')
      await settled('evt_failing')
      expect((await gateway.run(['discard', String(dispatch?.ID)])).code).to.equal(0)
      expect((await settled('evt_failing')).dispatches[0]?.status).to.equal('skipped')
      const again = await gateway.run(['discard', String(dispatch?.ID), '--json'])
      expect(again.code).to.equal(1)
      expect(lines(again.stdout)[0]).to.deep.include({ ok: false, id: dispatch?.ID })
      expect(await gateway.run(retryAll)).to.include({ code: 0, stdout: '' })
    })

    it('refuses a viewer, and says so at the first one', async () => {
      const { code, stderr, stdout } = await gateway.run(['replay', '--source', 'stripe', '--yes'], {
        env: { SLUICE_USER: 'viewer' },
      })
      expect(code).to.equal(3)
      expect(stdout).to.equal('')
      expect(stderr).to.match(/Stopped after 0 of \d+ events\.\n.*lack the role \(403\)/)
    })
  })

  describe('pause and resume', () => {
    it('pauses and resumes a subscription', async () => {
      expect((await gateway.run(['pause', 'all'])).stdout).to.equal('all: Its events wait from now on.\n')
      await send('stripe', 'evt_paused')
      expect((await gateway.run(['events', '--state', 'waiting', '--json'])).stdout).to.include('evt_paused')
      expect(JSON.parse((await gateway.run(['resume', 'all', '--json'])).stdout)).to.deep.equal({
        subscription: 'all',
        action: 'resume',
        ok: true,
      })
      expect((await settled('evt_paused')).dispatches[0]?.status).to.equal('done')
    })

    it('names the subscriptions there are where there is none of that name', async () => {
      const { code, stdout, stderr } = await gateway.run(['pause', 'nobody'])
      expect({ code, stdout }).to.deep.equal({ code: 1, stdout: '' })
      expect(stderr).to.include('There is no subscription "nobody". There are: all, calm.')
    })
  })

  describe('tail', () => {
    it('shows the last events once, with what became of them', async () => {
      const { code, stdout } = await gateway.run(['tail', '--once', '--lines', '1', '--source', 'github', '--json'])
      expect(code).to.equal(0)
      const news = lines<{ kind: string; event: Event }>(stdout)
      expect(news[0]).to.include({ kind: 'event' })
      expect(new Set(news.slice(1).map(({ kind }) => kind))).to.have.keys(['dispatch'])
    })

    it('follows until it is interrupted: every event once, and each end', async () => {
      const tail = start(['tail', '--lines', '0', '--json'], {
        env: { SLUICE_URL: gateway.url, SLUICE_USER: 'viewer' },
      })
      // Nothing is said before the first event: the first of these may come before tail looks, the others after.
      const ids = ['t1', 't2', 't3', 't4', 't5']
      let told = 0
      for (const id of ids) await send('stripe', `evt_${id}`)
      while (told < 1) {
        await send('stripe', `evt_more_${ids.push(`more_${ids.length}`)}`)
        told = lines(tail.stdout()).length
      }
      const last = `evt_last`
      await send('stripe', last)
      await tail.says(new RegExp(`"${last}"`))
      const seen = () =>
        lines<{ kind: string; event: Event; dispatch: { ID: string; status: string } }>(
          tail.stdout().slice(0, tail.stdout().lastIndexOf('\n') + 1),
        )
      const key = seen().find(({ kind, event }) => kind === 'event' && event.id === last)?.event.event
      await tail.says(new RegExp(`${key}:all:1[^\n]*"done"`))
      tail.child.kill('SIGINT')
      expect((await tail.ended).code).to.equal(0)
      const keys = seen()
        .filter(({ kind }) => kind === 'event')
        .map(({ event }) => event.event)
      expect(new Set(keys).size, 'events').to.equal(keys.length)
      const ends = seen()
        .filter(({ kind }) => kind === 'dispatch')
        .map(({ dispatch }) => `${dispatch.ID} ${dispatch.status}`)
      expect(new Set(ends).size, 'ends').to.equal(ends.length)
      expect(ends).to.have.length.of.at.least(keys.length)
    })

    it('goes on where the gateway was killed and came back, without loss', async () => {
      const tail = start(['tail', '--lines', '1'], { env: { SLUICE_URL: gateway.url, SLUICE_USER: 'viewer' } })
      await tail.says(/stripe payment/)
      await gateway.kill()
      while (!tail.stderr().includes('Waiting for it to come back'))
        await new Promise((done) => tail.child.stderr?.once('data', done))
      await gateway.restart()
      await send('stripe', 'evt_after_restart', '--type', 'after.restart')
      await tail.says(/after\.restart[\s\S]*all: done/)
      expect(tail.stderr()).to.include('It is back.')
      tail.child.kill('SIGTERM')
      expect((await tail.ended).code).to.equal(0)
    })
  })
})
