import { answerJson, type HttpAnswer } from '../http.ts'
import { type Handler, Refusal } from '../routes.ts'
import type { Queue, QueueConfig, Queues } from './queues.ts'

const base = '/hub/rest/api/v1/management/messaging'
const done: HttpAnswer = { status: 204, headers: {}, body: '' }

/** Queue management: help.sap.com/doc/75c9efd00fc14183abc4c613490c53f4. */
export const managementApi = (queues: Queues): Record<string, Handler> => ({
  [`GET ${base}/queues`]: () => answerJson(200, queues.all().map(describe)),
  [`GET ${base}/queues/{queue}`]: (_, { queue = '' }) => answerJson(200, describe(queues.get(queue))),
  [`PUT ${base}/queues/{queue}`]: (request, { queue = '' }) => {
    const config = request.body.length > 0 ? (JSON.parse(request.body.toString()) as Partial<QueueConfig>) : {}
    const isNew = queues.put(queue, config)
    return answerJson(isNew ? 201 : 200, describe(queues.get(queue)))
  },
  [`DELETE ${base}/queues/{queue}`]: (_, { queue = '' }) => {
    queues.delete(queue)
    return done
  },
  [`GET ${base}/queues/{queue}/subscriptions`]: (_, { queue = '' }) =>
    answerJson(
      200,
      [...queues.get(queue).topics].map((topicPattern) => ({ queueName: queue, topicPattern })),
    ),
  [`PUT ${base}/queues/{queue}/subscriptions/{topic}`]: (_, { queue = '', topic = '' }) => {
    const { topics } = queues.get(queue)
    const status = topics.has(topic) ? 200 : 201
    topics.add(topic)
    return answerJson(status, { queueName: queue, topicPattern: topic })
  },
  [`DELETE ${base}/queues/{queue}/subscriptions/{topic}`]: (_, { queue = '', topic = '' }) => {
    if (!queues.get(queue).topics.delete(topic)) throw new Refusal(404, `${queue} has not subscribed to ${topic}`)
    return done
  },
})

const describe = ({ name, config, ready, unacked }: Queue) => ({
  name,
  ...config,
  messageCount: ready.length + unacked.size,
  queueSizeInBytes: [...ready, ...unacked.values()].reduce((sum, { body }) => sum + body.length, 0),
  unacknowledgedMessageCount: unacked.size,
})
