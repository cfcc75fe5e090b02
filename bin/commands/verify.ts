import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { recipeOf } from '../../testing/signing/recipe.ts'
import { command } from '../command.ts'
import { EXIT, usage } from '../exit.ts'
import { parseMoment } from '../gateway/filters.ts'
import { chooseSource, loadProject, type SourceChoice, sourcesOf } from '../project.ts'
import { configuredSecret, readSecret } from '../secret.ts'
import { isSigned, KINDS } from '../signing/delivery.ts'
import { envWithFile, type Terminal } from '../terminal.ts'
import { safe, toJson, wrap } from '../text.ts'
import type { Cause } from '../verify/causes.ts'
import { diagnose } from '../verify/diagnose.ts'
import { fromParts, parseHeaders, parseRequest, type Recorded } from '../verify/request.ts'
import type { Verdict } from '../verify/verdict.ts'
import { sourceOptions } from './shared-options.ts'

export const verify = command({
  words: 'verify [kind]',
  about: 'Say why a signature fails, offline',
  options: (yargs) =>
    sourceOptions(yargs)
      .positional('kind', { type: 'string', choices: KINDS.filter(isSigned), describe: 'Kind of source' })
      .option('request', {
        type: 'string',
        describe: 'The request as an HTTP message or HAR file; - for stdin',
        requiresArg: true,
      })
      .option('headers', { type: 'string', describe: 'File with a header a line', requiresArg: true })
      .option('header', {
        alias: 'H',
        type: 'string',
        array: true,
        describe: 'One header, as with curl',
        requiresArg: true,
      })
      .option('body', { type: 'string', describe: 'File with the raw body; - for stdin', requiresArg: true })
      .option('at', { type: 'string', describe: 'When it was received: 15m, 2h, or a moment [now]', requiresArg: true })
      .option('also', {
        type: 'string',
        array: true,
        describe: 'Another secret to try, as name=env:NAME',
        requiresArg: true,
      })
      .example('$0 verify stripe --secret env:STRIPE_WEBHOOK_SECRET --request saved.http', 'A saved request')
      .example(
        "$0 verify github --secret env:GH_SECRET -H 'X-Hub-Signature-256: sha256=…' --body body.json",
        'In parts',
      )
      .example(
        '$0 verify --source orders --request - < saved.http',
        "With the project's configuration and all its secrets",
      )
      .epilogue('Shows neither the secret nor the signature it expected.'),
  run: async (args, terminal) => {
    const recorded = readRecorded(args, terminal)
    const choice = chooseSource(args.kind, args.source, args.option, terminal.cwd)
    const { kind, options } = choice
    if (!isSigned(kind))
      throw usage(`Kind ${kind} has no signature: its callers prove who they are.`, 'See sluice doctor --url.')
    const recipe = recipeOf(kind, options, new Set(recorded.headers.keys()))
    if (!recipe)
      throw usage(`Kind ${kind} needs to know how it is signed.`, 'Give --source NAME, or -o header=X-Signature.')
    const secrets = await readSecrets(args.secret, choice, terminal)
    const others = await readOthers(args.also ?? [], args.source, terminal)
    const now = args.at === undefined ? (recorded.at ?? new Date()) : new Date(parseMoment(args.at, '--at', Date.now()))
    const { judge } = await import('../verify/verdict.ts')
    const verdict = await judge(kind, options, secrets, recorded, now)
    const causes = verdict.ok ? [] : diagnose({ kind, recipe, recorded, secrets, others, now })
    if (args.json) terminal.out(toJson({ kind, ...verdict, causes }))
    else print(kind, verdict, causes, terminal)
    return verdict.ok ? EXIT.ok : EXIT.problem
  },
})

interface Parts {
  readonly request?: string | undefined
  readonly headers?: string | undefined
  readonly header?: readonly string[] | undefined
  readonly body?: string | undefined
}

function readRecorded({ request, headers, header = [], body }: Parts, { cwd }: Terminal): Recorded {
  if (request !== undefined) return parseRequest(read(request, '--request', cwd))
  if (body === undefined) throw usage('Which request?', 'Give --request, or --body with --headers or -H.')
  const lines =
    headers === undefined
      ? []
      : Buffer.from(read(headers, '--headers', cwd))
          .toString('latin1')
          .split(/\r?\n/)
  return fromParts(parseHeaders([...lines, ...header]), read(body, '--body', cwd))
}

function read(file: string, option: string, cwd: string): Uint8Array {
  try {
    return readFileSync(file === '-' ? 0 : resolve(cwd, file))
  } catch (thrown) {
    throw usage(`${option}: ${file} cannot be read (${(thrown as NodeJS.ErrnoException).code}).`)
  }
}

async function readSecrets(
  given: string | undefined,
  { secrets }: SourceChoice,
  terminal: Terminal,
): Promise<string[]> {
  if (given !== undefined || secrets.length === 0) return [await readSecret(given, '--secret', terminal)]
  return Promise.all(secrets.map((secret) => configuredSecret(secret, terminal)))
}

/** Of `--also`, and with `--source` of every other source of the project, as far as they are set. */
async function readOthers(also: readonly string[], source: string | undefined, terminal: Terminal) {
  const others = new Map<string, string>()
  for (const each of also) {
    const [, name = '', secret] = /^([^=]+)=(.*)$/s.exec(each) ?? []
    if (!secret) throw usage('--also is not written as name=env:NAME.')
    others.set(name, await readSecret(secret, '--also', terminal, 'Give --also name=env:NAME.'))
  }
  if (source === undefined) return others
  const env = envWithFile(terminal)
  for (const [name, { secrets }] of Object.entries(sourcesOf(loadProject(terminal.cwd)))) {
    for (const secret of name === source || !Array.isArray(secrets) ? [] : secrets.map(String)) {
      const value = secret.startsWith('env:') ? env[secret.slice('env:'.length)] : secret
      if (value) others.set(`source ${name}`, value)
    }
  }
  return others
}

function print(
  kind: string,
  verdict: Verdict,
  causes: readonly Cause[],
  { out, paint, columns = 100 }: Terminal,
): void {
  if (verdict.ok) {
    out(paint('green', wrap(`Verified: kind ${kind} takes this delivery.`, columns, '  ')))
    return
  }
  out(paint('red', wrap(`Refused by kind ${kind}: ${verdict.reason}.`, columns, '  ')))
  if (verdict.message) out(wrap(verdict.message, columns))
  for (const [index, { code, detail, remedy }] of causes.entries()) {
    const said = `${index === 0 ? 'Most likely' : 'And'}: ${safe(detail)}. [${code}]`
    out(wrap(said, columns, '  ').replace(`[${code}]`, paint('dim', `[${code}]`)))
    out(wrap(remedy, columns, '  ', '  '))
  }
}
