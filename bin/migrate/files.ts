import { type Files, packageJson, testedVersions } from '../init/template.ts'
import { type Migration, type Open, quote, type Subscription, variablesIn } from './migration.ts'

/**
 * `cds.requires.sluice` of what was read. With `park` every event is handled and none waits for another one's repair, as
 * there.
 */
export const configOf = ({ sources, targets, subscriptions }: Migration): object => ({
  sources,
  ...(Object.keys(targets).length > 0 ? { targets } : {}),
  subscriptions: Object.fromEntries(
    Object.entries(subscriptions).map(([name, { on, sources: from, handler }]) => [
      name,
      { on, sources: from, order: 'park', handler },
    ]),
  ),
})

/** A CAP project of its own, to be run as it is or taken over piece by piece. */
export function filesOf(name: string, migration: Migration): Files {
  const config = configOf(migration)
  const requires = {
    db: false,
    'sluice-db': { kind: 'sqlite', credentials: { url: 'sluice.db' } },
    sluice: config,
    auth: {
      '[development]': {
        kind: 'mocked',
        users: { operator: { roles: ['SluiceViewer', 'SluiceOperator'] }, '*': false },
      },
    },
  }
  const versions = testedVersions()
  const handlers = Object.values(migration.subscriptions).map((each) => [`${each.handler}.js`, stub(each)])
  return {
    'package.json': packageJson(
      { name, versions, secret: '' },
      {
        scripts: { start: 'cds-serve' },
        dependencies: { '@cap-js/sqlite': versions.sqlite },
        cds: { requires },
      },
    ),
    'srv/sluice.cds': "using from 'cap-sluice';\n",
    ...Object.fromEntries(handlers),
    '.gitignore': 'node_modules/\n.env\n*.db\n*.db-shm\n*.db-wal\n',
    '.env.example': `# Copy to .env, which is not committed, and fill in.\n${variablesIn(config)
      .map((variable) => `${variable}=\n`)
      .join('')}`,
    'MIGRATION.md': report(migration),
  }
}

/** Refuses its work: an event that nothing was done for must not be *done*. */
const stub = ({ handler, about }: Subscription): string => `import { PermanentError } from 'cap-sluice'

${about.map((line) => `// ${quote(line)}\n`).join('')}export default async function handle(event, { targets, payload }) {
  // Until this is written, events end dead and keep: retry them then, in the cockpit or with sluice retry.
  throw new PermanentError('${handler}.js is not written yet.')
}
`

function report(migration: Migration): string {
  const sources = Object.entries(migration.sources as Record<string, Reported>)
  return `# What was moved, and what is open

| source | kind | where |
|---|---|---|
${sources.map(([name, source]) => `| ${name} | ${source.kind} | ${quote(place(name, source))} |\n`).join('')}
Secrets were not taken over: \`.env.example\` names the variables.${
    migration.from === 'cap'
      ? ' To stay in your app, copy `cds.requires.sluice`\nand `srv/handlers` into it, and `npm add cap-sluice`.'
      : ''
  }

${migration.open.length > 0 ? table(migration.open) : 'Nothing is open but the handlers.\n'}`
}

interface Reported {
  readonly kind: string
  readonly path?: string
  readonly queue?: string
  readonly consume?: string
}

function place(name: string, { path, queue, consume }: Reported): string {
  if (path) return `/http/${path}`
  return consume === 'pull' ? `pulled from queue ${queue}` : `/webhooks/${name}${queue ? `, queue ${queue}` : ''}`
}

const table = (open: readonly Open[]): string => `| where | step | kind | what to do |
|---|---|---|---|
${open.map(({ where, step, kind, hint }) => `| ${[where, step, kind, hint].map(quote).join(' | ')} |\n`).join('')}`
