const cds = require('@sap/cds')

const server = import('../server.js')
const ENDPOINT = '/messaging/enterprise-messaging'
const TOPIC = 'bench/issues'

/** CAP's persistent queue, event-queue in its place, or CAP's own Event Mesh endpoint: CDS_CONFIG says which. */
cds.on('bootstrap', (app) => {
  app.post('/hook', async (request, response) => {
    const { receive } = await server
    await receive(request, response, async ({ id, body }) => {
      const work = cds.queued(await cds.connect.to('Work'))
      await cds.tx(() => work.emit('delivery', { id, body: JSON.stringify(body) }))
    })
  })

  // The signature that all others check stands for the broker's token; the rest is CAP's.
  app.post(ENDPOINT, async (request, response, next) => {
    const { isSigned, readBody } = await server
    const body = await readBody(request)
    if (!isSigned(request.headers, body)) return void response.writeHead(401).end()
    // As a body parser leaves it.
    Object.assign(request, { body: JSON.parse(body), _body: true })
    request.headers['x-address'] = `topic:${TOPIC}`
    next()
  })
})

cds.on('served', async () => {
  await cds.deploy(cds.model).to('db')
  if (!cds.env.requires.messaging) return
  const messaging = await cds.connect.to('messaging')
  // There is no broker to set up queue and webhook at.
  const nothing = async () => undefined
  cds.unqueued(messaging).getManagement = () => ({ createQueueAndSubscriptions: nothing, createWebhook: nothing })
  messaging.on(TOPIC, async () => (await server).handle())
})

cds.on('listening', async ({ server: listening }) => {
  const { ready } = await server
  ready(listening.address().port)
})
