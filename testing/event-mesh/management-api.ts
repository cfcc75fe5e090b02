import { answerJson, type HttpAnswer, type HttpRequest } from '../http.ts'
import { type Handler, Refusal } from '../routes.ts'
import type { Queue, QueueConfig, Queues } from './queues.ts'

/** Where the two products have it. */
export const classicBase = '/hub/rest/api/v1/management/messaging'
export const integrationSuiteBase = '/sap-event-mesh/rest/api/v1'
const done: HttpAnswer = { status: 204, headers: {}, body: '' }

/**
 * Queue management: help.sap.com/doc/75c9efd00fc14183abc4c613490c53f4. Integration Suite demands a body with every PUT.
 * @param isReady false: right after its creation
 */
export const managementApi = (base: string, queues: Queues, isReady: () => boolean): Record<string, Handler> => ({
  [`GET ${base}/readinessCheck`]: () =>
    isReady() ? answerJson(200, 'ready') : { ...answerJson(503, {}), headers: { 'retry-after': '1' } },
  [`GET ${base}/queues`]: () => answerJson(200, queues.all().map(describe)),
  [`GET ${base}/queues/{queue}`]: (_, { queue = '' }) => answerJson(200, describe(queues.get(queue))),
  [`PUT ${base}/queues/{queue}`]: (request, { queue = '' }) => {
    demandBody(base, request)
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
  [`PUT ${base}/queues/{queue}/subscriptions/{topic}`]: (request, { queue = '', topic = '' }) => {
    demandBody(base, request)
    return answerJson(queues.subscribe(queue, topic) ? 201 : 200, { queueName: queue, topicPattern: topic })
  },
  [`DELETE ${base}/queues/{queue}/subscriptions/{topic}`]: (_, { queue = '', topic = '' }) => {
    if (!queues.get(queue).topics.delete(topic)) throw new Refusal(404, `${queue} has not subscribed to ${topic}`)
    return done
  },
})

const demandBody = (base: string, { body }: HttpRequest): void => {
  if (base === integrationSuiteBase && body.length === 0) throw new Refusal(400, 'Required request body is missing')
}

const describe = ({ name, config, ready, unacked }: Queue) => ({
  name,
  ...config,
  messageCount: ready.length + unacked.size,
  queueSizeInBytes: [...ready, ...unacked.values()].reduce((sum, { body }) => sum + body.length, 0),
  unacknowledgedMessageCount: unacked.size,
})
