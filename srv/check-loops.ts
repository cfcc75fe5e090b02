import { SluiceError } from '#domain/errors'
import { topicsMeet } from '#domain/topic'
import { CONVENTIONAL_PREFIX, conventionalTopic } from '../adapters/event-mesh/topic.ts'
import type { SluiceConfig } from './config.ts'
import { type Services, settingsOf, toConnection } from './wire-mesh.ts'

/**
 * A subscription that publishes to a topic of the very queue it takes events from would feed itself.
 * @throws SluiceError `configuration` where the configuration shows that
 */
export function checkLoops({ sources = {}, targets = {}, subscriptions = {} }: SluiceConfig, services: Services): void {
  for (const [name, { on, publish, sources: from }] of Object.entries(subscriptions)) {
    const target = publish && targets[publish.target]
    if (!publish || !target?.broker) continue
    const { namespace = '$namespace', messaging } = toConnection(target.broker, services)
    const prefix = target.publishPrefix ?? CONVENTIONAL_PREFIX
    const written = publish.topic
      ? [publish.topic]
      : [on].flat().map((type) => conventionalTopic(widened(type), prefix))
    const topics = written.map((topic) => topic.replaceAll('$namespace', namespace))
    for (const [source, config] of Object.entries(sources)) {
      const { broker, subscribe } = settingsOf(config)
      if (!broker || !subscribe || (from && !from.includes(source))) continue
      if (toConnection(broker, services).messaging.url !== messaging.url) continue
      const back = subscribe.topics.find((own) => topics.some((topic) => topicsMeet(topic, own)))
      if (back === undefined) continue
      throw new SluiceError(
        'configuration',
        `sluice.subscriptions.${name}.publish: what it sends comes back, because sources.${source} subscribes to ${back}.`,
        { retry: 'never', remedy: 'Name the "sources" that it takes events from, or another topic.' },
      )
    }
  }
}

/** `commerce.ord*` → `commerce.*`: in a topic, a segment that a wildcard cuts may be any. */
const widened = (type: string): string => type.replace(/[^./]*\*$/, '*')
