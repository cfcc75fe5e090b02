const cds = require('@sap/cds')

/** CAP's persistent queue, or event-queue in its place: CDS_CONFIG says which. */
cds.on('bootstrap', (app) => {
  app.post('/hook', async (request, response) => {
    const { receive } = await import('../server.js')
    await receive(request, response, async ({ id, body }) => {
      const work = cds.queued(await cds.connect.to('Work'))
      await cds.tx(() => work.emit('delivery', { id, body: JSON.stringify(body) }))
    })
  })
})
cds.on('served', async () => {
  await cds.deploy(cds.model).to('db')
})
cds.on('listening', async ({ server }) => {
  const { ready } = await import('../server.js')
  ready(server.address().port)
})
