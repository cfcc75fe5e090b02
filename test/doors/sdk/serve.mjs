// What a Node developer writes around the SDK. Started with its options as JSON, talks to its parent over IPC.
import { once } from 'node:events'
import { createServer } from 'node:http'

const options = JSON.parse(process.argv[2] ?? '{}')
const say = (message) => process.send?.(message)

let finish = () => {}
const finished = new Promise((resolve) => {
  finish = resolve
})
process.on('message', (message) => {
  if (message === 'finish') finish()
})

/** @param {{ createGateway: Function, PermanentError: Function, cdsInbox: Function, memoryInbox: Function, github: Function }} sluice */
function gatewayOf(sluice, name, inbox) {
  const { createGateway, PermanentError, cdsInbox, memoryInbox, github } = sluice
  const gateway = createGateway({
    inbox: inbox ? cdsInbox(inbox) : memoryInbox(),
    sources: { github: github({ secrets: ['secret-of-the-test'] }) },
    log: console,
    roles: options.roles,
    worker: { idleMs: 50 },
  })
  gateway.on('*', { name: 'book', retry: { baseMs: 1 } }, async ({ id, data }, { attempt }) => {
    const { how } = data
    say({ began: id, gateway: name, attempt })
    if (how === 'permanent') throw new PermanentError('never')
    if (how === 'undefined' && attempt === 1) throw undefined
    if (how === 'error' && attempt === 1) throw new Error('once')
    if (how === 'wait') await finished
    if (how === 'hang') await new Promise(() => {})
    say({ handled: id, gateway: name, attempt })
  })
  return gateway
}

export async function serve(sluice, express) {
  const one = gatewayOf(sluice, 'one', options.inbox)
  const two = gatewayOf(sluice, 'two', options.second)
  const server = createServer(express ? inExpress(express, one, two) : inNode(one, two))
  await Promise.all([one.start(), two.start()])
  await once(server.listen(0, '127.0.0.1'), 'listening')
  // The order of a graceful end: no new connections, then what runs, then the inbox.
  process.once('SIGTERM', async () => {
    server.close()
    say({ stopped: await Promise.all([one.stop(options.stop), two.stop(options.stop)]) })
    process.disconnect?.()
  })
  say({ port: server.address().port })
}

function inExpress(express, one, two) {
  const app = express()
  if (options.parserFirst) app.use(express.json())
  app.use('/webhooks', one.express())
  const router = express.Router()
  router.use('/hooks', two.express())
  router.get('/hooks/status', (_request, response) => response.json({ behind: 'the gateway' }))
  app.use('/api/v2', router)
  app.use(express.json())
  app.post('/orders', (request, response) => response.json({ parsed: request.body }))
  app.use((_request, response) => response.status(418).send('the app itself'))
  return app
}

function inNode(one, two) {
  const [first, second] = [one.express(), two.express()]
  return (request, response) => {
    if (request.url.startsWith('/api/v2/hooks/')) second(request, response)
    else first(request, response)
  }
}
