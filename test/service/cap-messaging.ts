import http from 'node:http'
import https from 'node:https'
import cds from '@sap/cds'

// CAP calls its broker by https at a host without a port: here that is the test's own server on loopback.
const { hostname, port } = new URL(process.env.TEST_BROKER ?? '')
const toBroker = (options: http.RequestOptions, answer: (response: http.IncomingMessage) => void) =>
  http.request({ ...options, host: hostname, port }, answer)
https.request = toBroker as typeof https.request

// The app's own subscription, beside those of Sluice.
const messaging = await cds.connect.to('messaging')
messaging.on('cap/own/topic', (message: { data: unknown }) => {
  process.stdout.write(`CAP received ${JSON.stringify(message.data)}\n`)
})

export default async function ignore(): Promise<void> {}
