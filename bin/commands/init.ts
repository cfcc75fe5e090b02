import { basename, join, relative, resolve } from 'node:path'
import { command } from '../command.ts'
import { EXIT, usage } from '../exit.ts'
import { capTemplate } from '../init/cap.ts'
import { expressTemplate } from '../init/express.ts'
import { newSecret, testedVersions } from '../init/template.ts'
import { refuseFull, writeNew } from '../new-folder.ts'
import { safe, toJson } from '../text.ts'

const TEMPLATES = { cap: capTemplate, express: expressTemplate } as const

export const init = command({
  words: 'init [folder]',
  about: 'Write a working project of your own into an empty folder',
  options: (yargs) =>
    yargs
      .positional('folder', { type: 'string', default: '.', describe: 'Where; made if it is not there' })
      .option('template', {
        type: 'string',
        choices: ['cap', 'express'] as const,
        default: 'cap' as const,
        describe: 'A CAP app with operator API and cockpit, or the SDK in Express',
        requiresArg: true,
      })
      .option('name', { type: 'string', describe: "The package's name [the folder's]", requiresArg: true })
      .example('$0 init my-inbox', 'A CAP project')
      .example('$0 init my-inbox --template express', 'The SDK in an Express app'),
  run: async ({ folder: given, template, name: wanted, json }, terminal) => {
    const folder = resolve(terminal.cwd, given)
    refuseFull(folder)
    const name = packageName(wanted ?? basename(folder), wanted !== undefined)
    const files = TEMPLATES[template]({ name, versions: testedVersions(), secret: newSecret() })
    writeNew(folder, files)
    if (json) terminal.out(toJson({ folder, name, template, files: Object.keys(files) }))
    else {
      for (const path of Object.keys(files)) terminal.out(`wrote ${join(given, path)}`)
      const where = relative(terminal.cwd, folder)
      terminal.out(
        `\nNext:${where ? ` cd ${safe(where)},` : ''} npm install, npm test, npm start; README.md says the rest.`,
      )
    }
    return EXIT.ok
  },
})

const NAME = /^(@[a-z0-9~-][a-z0-9._~-]*\/)?[a-z0-9~-][a-z0-9._~-]*$/

/** @throws SluiceError `usage` for a name that npm refuses; a folder's is made to fit */
function packageName(text: string, given: boolean): string {
  if (given && !NAME.test(text))
    throw usage(`--name: "${text}" is no name of a package.`, 'Use lower case letters, digits and "-".')
  const fitted = text
    .toLowerCase()
    .replace(/[^a-z0-9-]+/g, '-')
    .replace(/^-+|-+$/g, '')
  return given ? text : fitted || 'my-inbox'
}
