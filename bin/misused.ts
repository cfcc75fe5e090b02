import type { SluiceError } from '#domain/errors'
import { usage } from './exit.ts'
import { nearest } from './text.ts'

/** What yargs complained of. */
export class Misused extends Error {}

/**
 * Says it in a sentence, with the word that was probably meant.
 * @param known commands, and options with their dashes
 * @param command as it is written, `show <event>`, where one was named
 */
export function explainUsage({ message }: Misused, known: readonly string[], command?: string): SluiceError {
  const help = command ? `See sluice ${command.split(' ')[0]} --help.` : 'See sluice --help.'
  const [, unknown = ''] = /^Unknown (?:arguments?|commands?): (.*)$/.exec(message) ?? []
  if (unknown) return explainUnknown(unknown.split(', '), known, help, command)
  const [, option] = /^Not enough arguments following: (.*)$/.exec(message) ?? []
  if (option) return usage(`--${option} wants a value.`, help)
  if (/^Not enough non-option/.test(message)) return usage('A word is missing.', `Write sluice ${command}.`)
  return explainChoice(message) ?? usage(message.replaceAll(/\s*\n\s*/g, ' ').replace(/[^.?!]$/, '$&.'), help)
}

function explainUnknown(
  unknown: readonly string[],
  known: readonly string[],
  help: string,
  command: string | undefined,
): SluiceError {
  // What follows a wrong command may well be right.
  const words = command ? unknown : unknown.slice(0, 1)
  const options = known.filter((each) => each.startsWith('--'))
  const [meant] = words.flatMap((word) => nearest(word, known) ?? nearest(`--${word}`, options) ?? [])
  const said = `${words.length > 1 ? 'Unknown words' : 'Unknown word'}: ${words.join(', ')}.`
  return usage(said, meant ? `Did you mean ${meant}? ${help}` : help)
}

function explainChoice(message: string): SluiceError | undefined {
  const [, name, given = '', choices = ''] = /Argument: (\S+), Given: "(.*?)", Choices: (.*)/s.exec(message) ?? []
  if (!name) return undefined
  const known = choices.split(', ').map((each) => each.replaceAll('"', '').trim())
  const meant = nearest(given, known)
  const remedy = `Choose one of ${known.join(', ')}.`
  return usage(`There is no ${name} "${given}".`, meant ? `Did you mean ${meant}? ${remedy}` : remedy)
}
