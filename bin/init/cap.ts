import { common, type Files, HANDLER, handlerTest, packageJson, type Wishes } from './template.ts'

/** A CAP project: Sluice as a plugin, configured in package.json, with the operator API and the cockpit. */
export const capTemplate = (wishes: Wishes): Files => ({
  'package.json': packageJson(wishes, {
    scripts: { start: 'cds-serve', test: 'node --test' },
    // CAP reads the store through it, for the cockpit.
    dependencies: { '@cap-js/sqlite': wishes.versions.sqlite },
    cds: { requires },
  }),
  'srv/sluice.cds': "using from 'cap-sluice';\n",
  'srv/handlers/book-payment.js': HANDLER,
  'test/book-payment.test.js': handlerTest('../srv/handlers/book-payment.js'),
  'README.md': readme(wishes.name),
  ...common(wishes),
})

const requires = {
  db: false,
  'sluice-db': { kind: 'sqlite', credentials: { url: 'sluice.db' } },
  sluice: {
    sources: { stripe: { kind: 'stripe', secrets: ['env:STRIPE_WEBHOOK_SECRET'] } },
    subscriptions: { 'book-payment': { on: 'payment.succeeded.v1', handler: 'srv/handlers/book-payment' } },
  },
  auth: {
    '[development]': {
      kind: 'mocked',
      users: { operator: { roles: ['SluiceViewer', 'SluiceOperator'] }, '*': false },
    },
  },
}

const readme = (name: string): string => `# ${name}

Takes Stripe's webhooks into a durable inbox and books each payment once, with [Sluice](https://www.npmjs.com/package/cap-sluice) in CAP.

\`\`\`sh
npm install
npm test            # the handler
npm start           # the gateway, on http://localhost:4004
\`\`\`

In a second terminal:

\`\`\`sh
npx sluice send stripe --secret env:STRIPE_WEBHOOK_SECRET   # a signed example, as Stripe sends it
npx sluice events --user operator:                          # the event, and what became of it
npx sluice doctor                                           # is everything in order?
\`\`\`

| where | what |
|---|---|
| \`package.json\`, \`cds.requires.sluice\` | sources, subscriptions; add targets and polls there |
| \`srv/handlers/book-payment.js\` | what is done with a payment |
| \`.env\` | the signing secret of this machine; see \`.env.example\` |

The cockpit is at http://localhost:4004/cockpit/; its user \`operator\` without a password exists in development only.
In production configure \`cds.requires.auth\` and give people the role SluiceViewer or SluiceOperator.
`
