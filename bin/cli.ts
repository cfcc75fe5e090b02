import { createRequire } from 'node:module'
import createYargs, { type Argv } from 'yargs'
import type { Command } from './command.ts'
import { completion } from './commands/completion.ts'
import { doctor } from './commands/doctor.ts'
import { events } from './commands/events.ts'
import { init } from './commands/init.ts'
import { mesh } from './commands/mesh.ts'
import { migrate } from './commands/migrate.ts'
import { pause, resume } from './commands/pause.ts'
import { replay } from './commands/replay.ts'
import { send } from './commands/send.ts'
import { discard, retry } from './commands/settle.ts'
import { show } from './commands/show.ts'
import { tail } from './commands/tail.ts'
import { verify } from './commands/verify.ts'
import { describeFault, EXIT, exitOf } from './exit.ts'
import { explainUsage, Misused } from './misused.ts'
import type { Terminal } from './terminal.ts'
import { wrap } from './text.ts'

// Commands import what is large (HTTP client, sources, XML) when they run: help and completion answer at once.
// biome-ignore lint/suspicious/noExplicitAny: each command knows its own options; the list knows none
const COMMANDS: readonly Command<any>[] = [
  send,
  tail,
  events,
  show,
  replay,
  retry,
  discard,
  pause,
  resume,
  verify,
  doctor,
  mesh,
  init,
  migrate,
  completion,
]

const nameOf = (words: string): string => words.split(' ')[0] ?? ''

export const COMMAND_NAMES: readonly string[] = COMMANDS.map(({ words }) => nameOf(words))

const MAX_WIDTH = 100

const EPILOGUE = `Exit codes: 0 done; 1 found a problem; 2 wrong usage; 3 the gateway cannot be reached or refuses you.
Credentials come from SLUICE_USER and SLUICE_PASSWORD, or SLUICE_TOKEN; the gateway's address from SLUICE_URL.`

/** Runs one command line. Never throws. @returns the exit code */
export async function main(words: readonly string[], terminal: Terminal): Promise<number> {
  try {
    if (words.length === 0) return await showHelp(terminal)
    const { code, text } = await parse(words, terminal)
    if (text) terminal.out(text)
    return code
  } catch (thrown) {
    const fault = thrown instanceof Misused ? await explain(thrown, words, terminal) : thrown
    const json = words.includes('--json')
    const { columns = Number.POSITIVE_INFINITY } = json ? {} : terminal
    for (const line of describeFault(fault, json).split('\n')) terminal.note(wrap(line, columns))
    return exitOf(fault)
  }
}

/** @returns what yargs itself has to say: help, the version, completions */
async function parse(words: readonly string[], terminal: Terminal): Promise<{ code: number; text: string }> {
  let code: number = EXIT.ok
  let text = ''
  const yargs = build(terminal, (ended) => {
    code = ended
  })
  await yargs.parseAsync([...words], {}, (_error, _arguments, output) => {
    text = output
  })
  return { code, text }
}

function build(terminal: Terminal, end: (code: number) => void): Argv {
  const { version } = createRequire(import.meta.url)('cap-sluice/package.json') as { version: string }
  const yargs = createYargs([], terminal.cwd)
    .scriptName('sluice')
    .usage('$0 <command>\n\nThe command line of Sluice: send, look, mend.')
    .locale('en')
    .parserConfiguration({
      'dot-notation': false,
      'greedy-arrays': false,
      'parse-positional-numbers': false,
    })
    .option('json', { type: 'boolean', default: false, describe: 'JSON: one document, or one object a line' })
    .version(version)
    .help()
    .alias({ help: 'h', version: 'V' })
    .demandCommand(1, 'Which command?')
    .strict()
    .exitProcess(false)
    .showHelpOnFail(false)
    .wrap(Math.min(MAX_WIDTH, terminal.columns ?? MAX_WIDTH))
    .epilogue(EPILOGUE)
    .completion('completion-words', false)
    .fail((message: string, error: Error | undefined) => {
      // An error of yargs' own is a misuse too; every other comes from a command.
      throw error && error.name !== 'YError' ? error : new Misused(error?.message ?? message)
    })
  for (const { words, about, options, run } of COMMANDS) {
    yargs.command({
      command: words,
      describe: about,
      builder: (own: Argv) => options(own.usage(`$0 ${words}\n\n${about}.`).demandCommand(0)),
      handler: async (args) => {
        refuseDoubles(args)
        end(await run(args as never, terminal))
      },
    })
  }
  return yargs
}

/** Nothing was asked for: what there is. On standard error, because it is no result. */
async function showHelp(terminal: Terminal): Promise<number> {
  terminal.note((await parse(['--help'], terminal)).text)
  return EXIT.usage
}

/** The words that could have been meant stand in the help: of the command, if it was one, and of the whole. */
async function explain(misused: Misused, words: readonly string[], terminal: Terminal): Promise<Error> {
  const name = COMMAND_NAMES.find((one) => words.includes(one))
  const { text } = await parse(name ? [name, '--help'] : ['--help'], { ...terminal, columns: undefined })
  const options = [...text.matchAll(/--([a-z][\w-]+)/g)].map(([, name]) => `--${name}`)
  return explainUsage(
    misused,
    [...COMMAND_NAMES, ...options],
    COMMANDS.find(({ words }) => nameOf(words) === name)?.words,
  )
}

/** Options that may be given several times. */
const LISTS: readonly string[] = ['_', 'state', 'status', 'option', 'o', 'header', 'H', 'also', 'events', 'dispatches']

/** yargs makes a list of an option that was given twice, whatever it is declared as. */
function refuseDoubles(args: Readonly<Record<string, unknown>>): void {
  const [double] = Object.keys(args).filter((name) => Array.isArray(args[name]) && !LISTS.includes(name))
  if (double) throw new Misused(`--${double} was given more than once.`)
}
