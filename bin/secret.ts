import { usage } from './exit.ts'
import { envWithFile, type Terminal } from './terminal.ts'

/**
 * A secret as the command line gives it: `env:NAME` from the environment or the folder's `.env`; absent, it is asked for
 * without echo. In clear it is taken with a warning: other users of the machine see it in the process list.
 * @param option named in what goes wrong, e.g. `--secret`
 * @param remedy how to give it better
 * @throws SluiceError `usage` where there is none
 */
export async function readSecret(
  given: string | undefined,
  option: string,
  terminal: Terminal,
  remedy = `Give ${option} env:NAME.`,
): Promise<string> {
  if (given === undefined) return askFor(option, terminal, remedy)
  if (!given.startsWith('env:')) {
    terminal.note(`Warning: ${option} stands in the process list and in your history. ${remedy}`)
    return given
  }
  const name = given.slice('env:'.length)
  const found = envWithFile(terminal)[name]
  if (found) return found
  throw usage(`${option}: the environment variable ${name} is ${found === '' ? 'empty' : 'not set'}.`, 'Set it.')
}

async function askFor(option: string, terminal: Terminal, remedy: string): Promise<string> {
  if (!terminal.interactive) throw usage(`${option} is missing.`, remedy)
  const answer = await terminal.ask(`${option.replace(/^--/, '')} (not shown): `, { hidden: true })
  if (answer) return answer
  throw usage(`${option} is empty.`, remedy)
}

/** A secret of the configuration: `env:NAME`, or in clear as in development, which is nobody's fault here. */
export const configuredSecret = async (text: string, terminal: Terminal): Promise<string> =>
  text.startsWith('env:') ? readSecret(text, 'The secret of the source', terminal) : text
