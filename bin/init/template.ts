import { randomBytes } from 'node:crypto'
import { createRequire } from 'node:module'

/** A project's files: path from its folder → text. */
export type Files = Readonly<Record<string, string>>

export interface Wishes {
  readonly name: string
  readonly versions: Versions
  /** For this machine only; the project's `.env` is not committed. */
  readonly secret: string
}

/** What a new project pins: the versions this release was tested with. */
export interface Versions {
  readonly sluice: string
  readonly cds: string
  readonly sqlite: string
  readonly express: string
  readonly node: string
}

export function testedVersions(): Versions {
  const { version, dependencies, devDependencies, engines } = createRequire(import.meta.url)(
    'cap-sluice/package.json',
  ) as {
    version: string
    dependencies: Readonly<Record<string, string>>
    devDependencies: Readonly<Record<string, string>>
    engines: { node: string }
  }
  return {
    sluice: version,
    cds: devDependencies['@sap/cds'] ?? '',
    sqlite: devDependencies['@cap-js/sqlite'] ?? '',
    express: dependencies.express ?? '',
    node: engines.node,
  }
}

export const newSecret = (): string => `whsec_${randomBytes(24).toString('hex')}`

/** @param own scripts, further dependencies and other members of the template's */
export function packageJson(
  { name, versions }: Wishes,
  own: {
    readonly scripts: Readonly<Record<string, string>>
    readonly dependencies?: Readonly<Record<string, string>>
    readonly [member: string]: unknown
  },
): string {
  const { scripts, dependencies, ...rest } = own
  return json({
    name,
    version: '0.1.0',
    private: true,
    type: 'module',
    engines: { node: versions.node },
    scripts,
    dependencies: {
      ...dependencies,
      '@sap/cds': versions.cds,
      'cap-sluice': versions.sluice,
      express: versions.express,
    },
    ...rest,
  })
}

const json = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`

/** What every template has besides its code. */
export const common = ({ secret }: Wishes): Files => ({
  '.gitignore': 'node_modules/\n.env\n*.db\n*.db-shm\n*.db-wal\n',
  '.env.example': `# Copy to .env, which is not committed. The signing secret of the webhook, as Stripe's dashboard shows it.\nSTRIPE_WEBHOOK_SECRET=whsec_\n`,
  '.env': `# For this machine only; made up by sluice init.\nSTRIPE_WEBHOOK_SECRET=${secret}\n`,
})

/** The same business in every template. */
export const HANDLER = `/**
 * Books a payment once. What it returns is kept with the dispatch; what it throws is tried again.
 * @param {import('cap-sluice').HandlerEvent} event \`data\` is Stripe's \`data\` member
 * @param {import('cap-sluice').HandlerContext} context
 */
export default async function bookPayment(event, { log }) {
  const { id, amount_received: amount, currency } = event.data.object
  // Write to your ERP here: context.targets.<name>.create(…), with a target of the configuration.
  log.info('payment booked', { payment: id })
  return { payment: id, amount, currency }
}
`

export const handlerTest = (path: string): string => `import assert from 'node:assert/strict'
import { test } from 'node:test'
import bookPayment from '${path}'

test('books what Stripe says was received', async () => {
  const logged = []
  const log = { info: (message, fields) => logged.push({ message, ...fields }) }
  const data = { object: { id: 'pi_1', amount_received: 1999, currency: 'eur' } }
  const booked = await bookPayment({ data }, { log })
  assert.deepEqual(booked, { payment: 'pi_1', amount: 1999, currency: 'eur' })
  assert.deepEqual(logged, [{ message: 'payment booked', payment: 'pi_1' }])
})
`
