import { setTimeout as pause } from 'node:timers/promises'
import { SluiceError } from '#domain/errors'
import { command } from '../command.ts'
import { colorOf, describeDispatch, shortTime } from '../describe.ts'
import { EXIT, usage } from '../exit.ts'
import { type Follower, follow, type News, readStart } from '../tail.ts'
import type { Terminal } from '../terminal.ts'
import { cut, safe, toJson } from '../text.ts'
import { filterOptions, gatewayOptions, openGateway, toFilters } from './shared-options.ts'

const EVERY_MS = 1_000
const RETRIED: readonly string[] = ['gateway-unreachable', 'gateway-failed']

export const tail = command({
  words: 'tail',
  about: 'Follow new events and their dispatches',
  options: (yargs) =>
    gatewayOptions(filterOptions(yargs))
      .option('lines', { type: 'number', default: 10, describe: 'Begin with this many last events', requiresArg: true })
      .option('once', { type: 'boolean', default: false, describe: 'Look once and end' })
      .example('$0 tail', 'The last ten events, then whatever comes')
      .example('$0 tail --source stripe --json', 'One JSON object a line')
      .epilogue('Ends with 0 on Ctrl-C. While the gateway restarts it waits and then goes on, without loss.'),
  run: async (args, terminal) => {
    if (!Number.isInteger(args.lines) || args.lines < 0) throw usage('--lines is no count.', 'Write 0 or more.')
    const signal = terminal.interruption()
    const client = await openGateway(args, terminal, signal)
    const filters = toFilters(args, Date.now())
    // With --since the beginning is known: everything from there on.
    const lines = args.since === undefined ? args.lines : Number.POSITIVE_INFINITY
    try {
      const follower = follow(client, filters, await readStart(client, filters, lines), lines)
      const tell = (news: News) => terminal.out(args.json ? toJson(news) : line(news, terminal))
      for (const news of await follower.look()) tell(news)
      if (!args.once) await goOn(follower, tell, terminal, signal)
    } catch (thrown) {
      if (!signal.aborted) throw thrown
    }
    return EXIT.ok
  },
})

async function goOn(follower: Follower, tell: (news: News) => void, terminal: Terminal, signal: AbortSignal) {
  let lost = false
  for (;;) {
    await pause(EVERY_MS, undefined, { signal })
    try {
      const found = await follower.look()
      if (lost) terminal.note('It is back.')
      lost = false
      for (const news of found) tell(news)
    } catch (thrown) {
      if (!(thrown instanceof SluiceError && RETRIED.includes(thrown.code))) throw thrown
      if (!lost) terminal.note(`${thrown.message} Waiting for it to come back.`)
      lost = true
    }
  }
}

function line(news: News, { columns = Number.POSITIVE_INFINITY, paint }: Terminal): string {
  if (news.kind === 'event') {
    const { receivedAt, origin, type, subject, event, unrouted } = news.event
    const text = `${shortTime(receivedAt)} ${origin} ${type}${subject ? ` ${subject}` : ''}${unrouted ? ' (unrouted)' : ''}`
    const key = columns > text.length + event.length + 2 ? `  ${event}` : ''
    return cut(safe(text), columns) + paint('dim', key)
  }
  const { dispatch } = news
  return paint(colorOf(dispatch.status), cut(safe(`  → ${describeDispatch(dispatch)}`), columns))
}
