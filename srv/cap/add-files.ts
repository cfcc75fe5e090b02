/** What `cds add sluice` writes. The secret is made for the project and stays in `.env`, which is not committed. */
export const SECRET = 'SLUICE_ORDERS_SECRET'

const ROLES = ['SluiceViewer', 'SluiceOperator']

/** Into package.json: an example that works. */
export const EXAMPLE = {
  cds: {
    requires: {
      sluice: {
        sources: { orders: { kind: 'standard-webhooks', secrets: [`env:${SECRET}`] } },
        subscriptions: { orders: { on: '*', sources: ['orders'], handler: 'srv/handlers/orders' } },
      },
    },
  },
}

/** Into package.json: who may use the operator's service on the developer's machine. */
export const OPERATOR = {
  cds: { requires: { '[development]': { auth: { users: { operator: { roles: ROLES } } } } } },
}

/** The operator's service and the cockpit. */
export const MODEL = { path: 'srv/sluice.cds', text: "using from 'cap-sluice';\n" }

/** Explains and completes `cds.requires.sluice` in editors on VS Code's base. */
export const EDITOR_SETTINGS = {
  'json.schemas': [
    {
      fileMatch: ['/package.json', '/.cdsrc.json', '/.cdsrc-private.json'],
      url: './node_modules/cap-sluice/srv/package.schema.json',
    },
  ],
}

/** Modules are found without extension, so that the same setting works for the compiled app. */
export function handlerStub({ typescript, esm }: { typescript: boolean; esm: boolean }) {
  const body = `  log.info('received', { type: event.type, id: event.id })\n`
  if (typescript) {
    const text = `import type { Handler } from 'cap-sluice'

/** Runs once for each event, in order; what it throws is retried. */
const handler: Handler = async (event, { log }) => {
${body}}

export default handler
`
    return { path: 'srv/handlers/orders.ts', text }
  }
  const exported = esm ? 'export default' : 'module.exports ='
  const text = `/** Runs once for each event, in order; what it throws is retried. @type {import('cap-sluice').Handler} */
${exported} async (event, { log }) => {
${body}}
`
  return { path: 'srv/handlers/orders.js', text }
}

/** Health checks for the app, and the service that holds its secrets: created by hand, so that no file holds them. */
export function cloudFoundryParts(appName: string, path: string) {
  const srv = { in: 'modules', where: { type: 'nodejs', path } }
  const secrets = { in: 'resources', where: { name: `${appName}-sluice` } }
  const health = {
    'health-check-type': 'http',
    'health-check-http-endpoint': '/health',
    'readiness-health-check-type': 'http',
    'readiness-health-check-http-endpoint': '/health/ready',
  }
  return {
    parts: {
      modules: [
        {
          name: `${appName}-srv`,
          type: 'nodejs',
          path,
          parameters: health,
          requires: [{ name: `${appName}-sluice` }],
        },
      ],
      resources: [
        {
          name: `${appName}-sluice`,
          type: 'org.cloudfoundry.existing-service',
          parameters: { 'service-name': `${appName}-sluice` },
        },
      ],
    },
    semantics: {
      additions: [srv, secrets],
      relationships: [{ insert: [secrets, 'name'], into: [srv, 'requires', 'name'] }],
    },
  }
}

/**
 * The scope by which Event Mesh may call back, and the operator's roles: `cds add xsuaa` writes their scopes from the
 * model, but role templates only into a new file.
 */
export const SECURITY = {
  parts: {
    scopes: [{ name: '$XSAPPNAME.emcallback', description: 'Event Mesh delivers' }],
    'role-templates': ROLES.map((name) => ({
      name,
      description: 'generated',
      'scope-references': [`$XSAPPNAME.${name}`],
      'attribute-references': [],
    })),
  },
  semantics: {
    additions: [
      { in: 'scopes', where: { name: '$XSAPPNAME.emcallback' } },
      ...ROLES.map((name) => ({ in: 'role-templates', where: { name } })),
    ],
  },
}
