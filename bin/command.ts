import type { ArgumentsCamelCase, Argv } from 'yargs'
import type { Terminal } from './terminal.ts'

/** One command of the command line: its words, and what it does with them. */
export interface Command<Options> {
  /** As yargs writes it: `send [kind]`. */
  readonly words: string
  readonly about: string
  readonly options: (yargs: Argv) => Argv<Options>
  /** @returns the exit code, see exit.ts */
  readonly run: (
    options: ArgumentsCamelCase<Options> & { readonly json: boolean },
    terminal: Terminal,
  ) => Promise<number>
}

/** Infers the type of a command's options from how they are declared. */
export const command = <Options>(parts: Command<Options>): Command<Options> => parts
