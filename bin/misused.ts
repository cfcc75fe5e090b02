import type { SluiceError } from '#domain/errors'
import { usage } from './exit.ts'
import { nearest } from './text.ts'

/** What yargs complained of. */
export class Misused extends Error {}

const HELP = 'See sluice --help.'

/** Says it in a sentence, with the word that was probably meant. @param known commands, and options with their dashes */
export function explainUsage({ message }: Misused, known: readonly string[]): SluiceError {
  const [, unknown = ''] = /^Unknown (?:arguments?|commands?): (.*)$/.exec(message) ?? []
  if (!unknown) return explainChoice(message)
  const words = unknown.split(', ')
  const [meant] = words.flatMap(
    (word) =>
      nearest(word, known) ??
      nearest(
        `--${word}`,
        known.filter((each) => each.startsWith('--')),
      ) ??
      [],
  )
  const said = `${words.length > 1 ? 'Unknown words' : 'Unknown word'}: ${words.join(', ')}.`
  return usage(said, meant ? `Did you mean ${meant}? ${HELP}` : HELP)
}

function explainChoice(message: string): SluiceError {
  const [, name = '', given = '', choices = ''] = /Argument: (\S+), Given: "(.*?)", Choices: (.*)/s.exec(message) ?? []
  if (/^Not enough non-option/.test(message)) return usage('A word is missing.', 'See the command with --help.')
  if (!name) return usage(message.replaceAll(/\s*\n\s*/g, ' ').replace(/\.?$/, '.'), HELP)
  const known = choices.split(', ').map((each) => each.replaceAll('"', '').trim())
  const meant = nearest(given, known)
  const remedy = `Choose one of ${known.join(', ')}.`
  return usage(`There is no ${name} "${given}".`, meant ? `Did you mean ${meant}? ${remedy}` : remedy)
}
