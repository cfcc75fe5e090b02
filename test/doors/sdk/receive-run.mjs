// As a serverless function or a framework that is not Express would hand deliveries over.
export async function run({ createGateway, cdsInbox, stripe, signed }, url) {
  const gateway = createGateway({
    inbox: cdsInbox({ url }),
    sources: { stripe: stripe({ secrets: ['whsec_test'] }) },
  })
  const handled = new Promise((resolve) => {
    gateway.on('payment.succeeded.v1', { name: 'book' }, (event) => resolve(event.data.object))
  })
  await gateway.start()
  const sender = signed.stripe({ secret: 'whsec_test', type: 'payment_intent.succeeded', object: { total: 1 } })
  const replies = []
  for (const [name, value] of [
    ['x-fine', '1'],
    ['x-fine', '1'],
    ['stripe-signature', 't=1,v1=00'],
  ]) {
    const { headers, body } = sender(new Date())
    const reply = await gateway.receive({
      method: 'POST',
      url: '/stripe',
      headers: new Headers({ ...headers, [name]: value }),
      body,
    })
    const { status, type } = JSON.parse(reply.body)
    replies.push([reply.status, type ?? status])
  }
  process.send({ replies, port: 0 })
  process.send({ handled: await handled, port: 0 })
  await gateway.stop()
  process.disconnect()
}
