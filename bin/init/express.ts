import { common, type Files, HANDLER, handlerTest, packageJson, type Wishes } from './template.ts'

/** An Express app that embeds the gateway by its SDK; no CAP server, no operator API. */
export const expressTemplate = (wishes: Wishes): Files => ({
  'package.json': packageJson(wishes, {
    scripts: { start: 'node --env-file-if-exists=.env server.js', test: 'node --test' },
  }),
  'server.js': SERVER,
  'src/gateway.js': GATEWAY,
  'src/book-payment.js': HANDLER,
  'test/book-payment.test.js': handlerTest('../src/book-payment.js'),
  'test/gateway.test.js': GATEWAY_TEST,
  'README.md': readme(wishes.name),
  ...common(wishes),
})

const SERVER = `import { cdsInbox } from 'cap-sluice/inbox'
import express from 'express'
import { paymentGateway } from './src/gateway.js'

const gateway = paymentGateway({
  inbox: cdsInbox({ url: 'sluice.db' }),
  secrets: [process.env.STRIPE_WEBHOOK_SECRET],
})
const app = express()
app.use('/webhooks', gateway.express()) // before express.json(): signatures are over the raw bytes
app.get('/health', (_request, response) => response.json({ status: 'UP' }))

await gateway.start()
const server = app.listen(process.env.PORT ?? 4004, () => console.log('listening on port', server.address().port))

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, async () => {
    await gateway.drain()
    server.close(() => gateway.stop())
    server.closeIdleConnections()
  })
}
`

const GATEWAY = `import { createGateway } from 'cap-sluice'
import { stripe } from 'cap-sluice/sources'
import bookPayment from './book-payment.js'

/** Sources, subscriptions and targets of this app, on any inbox. */
export function paymentGateway({ inbox, secrets }) {
  const log = Object.fromEntries(['debug', 'info', 'warn', 'error'].map((level) => [level, write(level)]))
  const gateway = createGateway({ inbox, log, sources: { stripe: stripe({ secrets }) } })
  gateway.on('payment.succeeded.v1', { name: 'book-payment' }, bookPayment)
  return gateway
}

const write = (level) => (message, fields) => console[level](message, fields ?? '')
`

const GATEWAY_TEST = `import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { after, before, test } from 'node:test'
import { memoryInbox } from 'cap-sluice/inbox'
import { paymentGateway } from '../src/gateway.js'

const secret = 'for this test only'
const gateway = paymentGateway({ inbox: memoryInbox(), secrets: [secret] })
before(() => gateway.start())
after(() => gateway.stop())

const deliver = (body, key = secret) => {
  const at = Math.floor(Date.now() / 1000)
  const signature = createHmac('sha256', key).update(\`\${at}.\${body}\`).digest('hex')
  return gateway.receive({
    method: 'POST',
    url: '/webhooks/stripe',
    headers: { 'content-type': 'application/json', 'stripe-signature': \`t=\${at},v1=\${signature}\` },
    body: Buffer.from(body),
  })
}
const payment = JSON.stringify({
  id: 'evt_1',
  object: 'event',
  type: 'payment_intent.succeeded',
  data: { object: { id: 'pi_1', object: 'payment_intent', amount_received: 1999, currency: 'eur' } },
})

test('takes a signed delivery once', async () => {
  assert.equal(JSON.parse((await deliver(payment)).body).status, 'accepted')
  assert.equal(JSON.parse((await deliver(payment)).body).status, 'duplicate')
})

test('refuses a forged one', async () => {
  assert.equal((await deliver(payment, 'another secret')).status, 401)
})
`

const readme = (name: string): string => `# ${name}

Takes Stripe's webhooks into a durable inbox and books each payment once, with [Sluice](https://www.npmjs.com/package/cap-sluice) in Express.

\`\`\`sh
npm install
npm test            # the handler and the gateway
npm start           # on http://localhost:4004
\`\`\`

In a second terminal:

\`\`\`sh
npx sluice send stripe --secret env:STRIPE_WEBHOOK_SECRET   # a signed example, as Stripe sends it
\`\`\`

| where | what |
|---|---|
| \`src/gateway.js\` | sources and subscriptions; add targets there |
| \`src/book-payment.js\` | what is done with a payment |
| \`server.js\` | Express, the store \`sluice.db\`, start and stop |
| \`.env\` | the signing secret of this machine; see \`.env.example\` |

The operator API, and with it \`sluice events\`, comes with the CAP plugin: \`sluice init --template cap\`.
`
