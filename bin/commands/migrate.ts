import { existsSync, readFileSync, statSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { SluiceError } from '#domain/errors'
import { command } from '../command.ts'
import { EXIT, usage } from '../exit.ts'
import { configOf, filesOf } from '../migrate/files.ts'
import { migrateApp } from '../migrate/from-cap.ts'
import { migrateFlows } from '../migrate/from-iflow.ts'
import { type Migration, nameOf, variablesIn } from '../migrate/migration.ts'
import { isZip } from '../migrate/zip.ts'
import { refuseFull, writeNew } from '../new-folder.ts'
import type { Terminal } from '../terminal.ts'
import { plural, safe, toJson } from '../text.ts'

export const migrate = command({
  words: 'migrate <path>',
  about: "Turn an exported iFlow or a CAP app's messaging into configuration, and list what it cannot",
  options: (yargs) =>
    yargs
      .positional('path', { type: 'string', demandOption: true, describe: 'An exported .zip, or the folder of an app' })
      .option('queue', {
        type: 'string',
        describe: 'Event Mesh calls the flow: the queue of that webhook subscription',
        requiresArg: true,
      })
      .option('write', { type: 'string', describe: 'A new or empty folder for the project', requiresArg: true })
      .option('dry-run', { type: 'boolean', default: false, describe: 'Print only; so it is without --write' })
      .example('$0 migrate orders.zip', 'What would become of a flow')
      .example('$0 migrate orders.zip --write my-inbox', 'A project that starts')
      .example('$0 migrate . --json', 'The messaging of the CAP app here'),
  run: async ({ path: given, queue, write, dryRun, json }, terminal) => {
    const path = resolve(terminal.cwd, given)
    const migration = await read(path, queue)
    const folder = write !== undefined && !dryRun ? resolve(terminal.cwd, write) : undefined
    const files = filesOf(nameOf(basename(folder ?? path).replace(/\.zip$/i, ''), 'my-inbox'), migration)
    if (folder) {
      refuseFull(folder)
      writeNew(folder, files)
    }
    if (json) {
      const { from, open } = migration
      const config = configOf(migration)
      const variables = variablesIn(config)
      terminal.out(toJson({ from, config, variables, open, files: Object.keys(files), folder: folder ?? null }))
    } else tell(migration, Object.keys(files), write, folder !== undefined, terminal)
    return EXIT.ok
  },
})

async function read(path: string, queue: string | undefined): Promise<Migration> {
  const stat = statSync(path, { throwIfNoEntry: false })
  if (!stat) throw usage(`There is no ${path}.`, 'Give an exported archive, or the folder of a CAP app.')
  const migration = stat.isDirectory() ? readApp(path, queue) : await readExport(path, stat.size, queue)
  if (Object.keys(migration.sources).length > 0) return migration
  const seen = migration.open.slice(0, SHOWN).map(({ where, step, kind }) => `${where}: ${kind} ${step}`.trim())
  throw new SluiceError(
    'nothing-to-migrate',
    `Nothing here can be a source${seen.length > 0 ? ` (${seen.map(safe).join('; ')})` : ''}.`,
    {
      retry: 'never',
      remedy:
        'Needed is a flow with a sender by HTTPS, SOAP or Event Mesh, or cds.requires.messaging of a kind for SAP’s brokers.',
    },
  )
}

const SHOWN = 5

function readApp(folder: string, queue: string | undefined): Migration {
  if (queue !== undefined) throw usage('--queue belongs to a flow.', 'An app says its queue itself.')
  if (!existsSync(join(folder, 'package.json'))) {
    throw usage(`${folder} has no package.json.`, 'Give the folder of a CAP app, or the .zip of a flow.')
  }
  return migrateApp(folder)
}

async function readExport(path: string, size: number, queue: string | undefined): Promise<Migration> {
  const { MAX_ARCHIVE_BYTES, readFlows } = await import('../migrate/archive.ts')
  if (size > MAX_ARCHIVE_BYTES) throw usage(`${path} is larger than 64 MB.`, 'Export the flow alone.')
  const bytes = readFileSync(path)
  if (!isZip(bytes)) throw usage(`${path} is no archive.`, 'Export the flow or its package in Cloud Integration.')
  const flows = readFlows(bytes)
  if (flows.length > 0) return migrateFlows(flows, queue)
  throw usage(`${path} holds no integration flow.`, 'Export the flow or its package in Cloud Integration.')
}

function tell(
  migration: Migration,
  files: readonly string[],
  write: string | undefined,
  written: boolean,
  terminal: Terminal,
): void {
  const config = configOf(migration)
  if (!written) terminal.out(JSON.stringify(config, null, 2).split('\n').map(safe).join('\n'))
  const variables = variablesIn(config)
  if (variables.length > 0) terminal.out(`\nSet in the environment: ${variables.join(', ')}`)
  const { open } = migration
  if (open.length > 0) terminal.out(`\n${plural(open.length, 'thing')} left for you:`)
  for (const { where, step, kind, hint } of open) {
    terminal.out(`  ${safe(where)}: ${safe(step)} (${safe(kind)})\n    ${safe(hint)}`)
  }
  terminal.out('')
  for (const file of files) terminal.out(`${written ? 'wrote' : 'would write'} ${join(write ?? '', file)}`)
  if (!written) terminal.out('\nNothing was written; --write <folder> does.')
}
