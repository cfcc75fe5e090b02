import { answerJson, type HttpAnswer, type HttpRequest } from '../http.ts'
import { type Handler, Refusal } from '../routes.ts'
import type { Queues } from './queues.ts'
import type { SimTime } from './sim-time.ts'
import type { Subscriptions } from './subscriptions.ts'
import type { SubscriptionRequest } from './webhook.ts'

/** SAP documents no figure for how long a pulled message waits for its acknowledgement. */
const pullMs = 15 * 60_000
const base = '/messagingrest/v1'
const done: HttpAnswer = { status: 204, headers: {}, body: '' }
const accepted: HttpAnswer = { status: 202, headers: {}, body: '' }

/** Messaging REST: help.sap.com/doc/3dfdf81b17b744ea921ce7ad464d1bd7. */
export const messagingApi = (queues: Queues, subscriptions: Subscriptions, time: SimTime): Record<string, Handler> => ({
  [`POST ${base}/topics/{topic}/messages`]: (request, { topic = '' }) => {
    qosOf(request)
    queues.publish(topic, request.headers['content-type'], request.body)
    subscriptions.pump()
    return done
  },
  [`POST ${base}/queues/{queue}/messages`]: (request, { queue = '' }) => {
    qosOf(request)
    queues.enqueue(queues.get(queue), `queue:${queue}`, request.headers['content-type'], request.body)
    subscriptions.pump()
    return done
  },
  [`POST ${base}/queues/{queue}/messages/consumption`]: (request, { queue: name = '' }) => {
    const qos = qosOf(request)
    const queue = queues.get(name)
    queues.expire(queue)
    const message = queue.ready.shift()
    if (!message) return done
    if (qos === 0) queue.counts.acked++
    else {
      queue.unacked.set(message.id, message)
      time.at(time.now() + pullMs, () => {
        if (!queue.unacked.delete(message.id)) return
        message.redeliveries++
        queue.ready.unshift(message)
        subscriptions.pump()
      })
    }
    const contentType = message.contentType ?? 'application/json'
    return { status: 200, headers: { 'content-type': contentType, 'x-message-id': message.id }, body: message.body }
  },
  [`POST ${base}/queues/{queue}/messages/{id}/acknowledgement`]: (request, { queue: name = '', id = '' }) => {
    qosOf(request)
    const queue = queues.get(name)
    if (!queue.unacked.delete(id)) throw new Refusal(404, `Message ${id} is not waiting for an acknowledgement`)
    queue.counts.acked++
    return done
  },
  [`GET ${base}/subscriptions`]: () => answerJson(200, subscriptions.list()),
  [`POST ${base}/subscriptions`]: (request) => {
    const { style, behindRouter, ...given } = JSON.parse(request.body.toString()) as SubscriptionRequest
    subscriptions.create(given)
    return { status: 201, headers: {}, body: '' }
  },
  [`GET ${base}/subscriptions/{name}`]: (_, { name = '' }) => answerJson(200, subscriptions.describe(name)),
  [`DELETE ${base}/subscriptions/{name}`]: (_, { name = '' }) => {
    subscriptions.delete(name)
    return done
  },
  [`POST ${base}/subscriptions/{name}/handshake`]: async (_, { name = '' }) => {
    await subscriptions.handshake(name)
    return accepted
  },
  [`PUT ${base}/subscriptions/{name}/state`]: (request, { name = '' }) => {
    const { action } = JSON.parse(request.body.toString()) as { action: string }
    subscriptions.setState(name, action)
    return accepted
  },
})

const qosOf = (request: HttpRequest): 0 | 1 => {
  const qos = request.headers['x-qos']
  if (qos !== '0' && qos !== '1') throw new Refusal(400, 'x-qos is invalid')
  return qos === '0' ? 0 : 1
}
