import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { command } from '../command.ts'
import { EXIT, usage } from '../exit.ts'
import { parseAddress } from '../gateway/address.ts'
import { readCredentials } from '../gateway/credentials.ts'
import { chooseSource } from '../project.ts'
import { configuredSecret, readSecret } from '../secret.ts'
import type { SendResult } from '../send.ts'
import { isSigned, KINDS, makeDelivery } from '../signing/delivery.ts'
import { envWithFile, type Terminal } from '../terminal.ts'
import { plural, safe, toJson } from '../text.ts'
import { parseHeaders } from '../verify/request.ts'
import { callerOptions, defaultAddress, sourceOptions } from './shared-options.ts'

export const send = command({
  words: 'send [kind]',
  about: 'Send a correctly signed example delivery to a webhook',
  options: (yargs) =>
    callerOptions(sourceOptions(yargs))
      .positional('kind', { type: 'string', choices: KINDS, describe: 'Kind of source' })
      .option('url', {
        type: 'string',
        describe:
          'The webhook, or a gateway, whose /webhooks/<source or kind> is meant [SLUICE_URL or http://localhost:4004]',
        requiresArg: true,
      })
      .option('header', {
        alias: 'H',
        type: 'string',
        array: true,
        describe: "One more header, as 'Name: value' or 'Name: env:NAME'",
        requiresArg: true,
      })
      .option('file', { type: 'string', describe: 'Send this body, byte for byte', requiresArg: true })
      .option('type', { type: 'string', describe: "The provider's type of the event", requiresArg: true })
      .option('id', { type: 'string', describe: "The sender's id of the event [a new one]", requiresArg: true })
      .option('count', { type: 'number', describe: 'How many', default: 1, requiresArg: true })
      .option('same-id', {
        type: 'boolean',
        describe: 'All with one id: one event, the rest duplicates',
        default: false,
      })
      .option('tamper', {
        type: 'boolean',
        describe: 'Change the body after signing; a refusal is success',
        default: false,
      })
      .example('$0 send stripe --secret env:STRIPE_WEBHOOK_SECRET', 'One payment, to the gateway on this machine')
      .example('$0 send github --secret env:GH_SECRET --count 10 --same-id', 'One event, ten deliveries')
      .example('$0 send --source orders --tamper', 'Is a forgery refused?'),
  run: async (args, terminal) => {
    const { count, sameId, tamper } = args
    if (!Number.isInteger(count) || count < 1) throw usage('--count is no count.', 'Write 1 or more.')
    const choice = chooseSource(args.kind, args.source, args.option, terminal.cwd)
    const { kind, options } = choice
    const url = args.url ? parseAddress(args.url) : defaultAddress(terminal)
    // As everywhere else: the address of a gateway, which may lie below a path of its host.
    if (!args.url || (url.pathname === '/' && !url.search)) {
      url.pathname = url.pathname.replace(/\/$/, '') + pathOf(kind, args.source, options)
    }
    const secret = isSigned(kind) ? await secretOf(args.secret, choice.secrets[0], terminal) : undefined
    if (tamper && secret === undefined) throw usage(`--tamper: nothing is signed in kind ${kind}.`)
    const authorization = await readCredentials(args, url, terminal, false)
    const body = args.file === undefined ? undefined : readBody(resolve(terminal.cwd, args.file))
    const signal = terminal.interruption()
    const extra = {
      ...readHeaders(args.header ?? [], terminal),
      ...(authorization === undefined ? {} : { authorization }),
    }
    const { fetchToken, post } = await import('../send.ts')
    const session = kind === 'http' ? await fetchToken(url, extra, signal) : {}
    const id = args.id ?? newId(kind)
    const made = new Date()
    const results: SendResult[] = []
    for (let n = 0; n < count && !signal.aborted; n++) {
      const same = sameId || n === 0
      const order = { kind, url: url.href, secret, options, type: args.type, id: same ? id : nextId(args.id, n, kind) }
      const example = makeDelivery({ ...order, body, at: made })
      // A repetition has the same bytes, signed anew, as providers do.
      const delivery = makeDelivery({ ...order, body: example.body, at: new Date() })
      const sent = tamper ? { ...delivery, body: tampered(delivery.body) } : delivery
      const result = { id: order.id, ...(await post(url, sent, { ...extra, ...session }, signal)) }
      results.push(result)
      report(result, args.json, terminal)
      if (count > 1) terminal.progress(`${n + 1} of ${count}`)
    }
    return conclude(results, { count, tamper, json: args.json }, terminal)
  },
})

/** Kind `http` has a path of its own below `/http/`. */
const pathOf = (kind: string, source: string | undefined, { path }: Readonly<Record<string, unknown>>): string =>
  kind === 'http' ? `/http/${String(path ?? 'orders').replace(/^\/|\/?\*$/g, '')}` : `/webhooks/${source ?? kind}`

function readHeaders(lines: readonly string[], terminal: Terminal): Record<string, string> {
  const env = envWithFile(terminal)
  const headers = [...parseHeaders(lines)].map(([name, [value = '']]) => {
    const variable = /^env:(\w+)$/.exec(value)?.[1]
    const found = variable === undefined ? value : env[variable]
    if (found) return [name, found]
    throw usage(`--header ${name}: the environment variable ${variable} is not set.`)
  })
  return Object.fromEntries(headers)
}

const secretOf = (given: string | undefined, configured: string | undefined, terminal: Terminal): Promise<string> =>
  given === undefined && configured !== undefined
    ? configuredSecret(configured, terminal)
    : readSecret(given, '--secret', terminal)

function report(result: SendResult, json: boolean, { out, paint }: Terminal): void {
  const { id, status, answer } = result
  const color = status < 300 ? 'green' : 'red'
  const text = `${paint(color, String(status))} ${safe(answer || '(no text)')}  ${paint('dim', safe(id))}`
  out(json ? toJson(result) : text)
}

function conclude(
  results: readonly SendResult[],
  { count, tamper, json }: { count: number; tamper: boolean; json: boolean },
  { out, note }: Terminal,
): number {
  const accepted = results.filter(({ status }) => status < 300).length
  if (count > 1 && !json) {
    const answers = Map.groupBy(results, ({ answer, status }) => answer || String(status))
    out(
      `${plural(results.length, 'delivery', 'deliveries')}: ${[...answers].map(([name, all]) => `${all.length} ${safe(name)}`).join(', ')}`,
    )
  }
  if (tamper) {
    if (accepted > 0)
      note('A delivery that was changed after it was signed was accepted: its signature is not checked.')
    return accepted > 0 ? EXIT.problem : EXIT.ok
  }
  const refused = results.some(({ status }) => status === 401)
  if (refused) note('The signature or the caller was refused. Is it the same secret? `sluice verify` tells more.')
  return accepted === results.length && results.length === count ? EXIT.ok : EXIT.problem
}

function readBody(file: string): Uint8Array {
  try {
    return readFileSync(file)
  } catch (thrown) {
    throw usage(`--file: ${file} cannot be read (${(thrown as NodeJS.ErrnoException).code}).`)
  }
}

const newId = (kind: string): string =>
  (kind === 'stripe' ? 'evt_' : kind === 'standard-webhooks' ? 'msg_' : '') + randomUUID()

const nextId = (given: string | undefined, n: number, kind: string): string =>
  given === undefined ? newId(kind) : `${given}-${n + 1}`

/** One more blank at the end: the smallest change there is. */
const tampered = (body: Uint8Array): Uint8Array => Buffer.concat([body, Buffer.from(' ')])
