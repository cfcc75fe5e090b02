import { SluiceError } from '#domain/errors'

const MAX_LENGTH = 150
const MAX_SEGMENTS = 20
/** What every protocol of the broker takes for plain text: no wildcards, no blanks, no control characters. */
const SEGMENT = /^[\w.~:@!$&'(),;=-]+$/

/**
 * A topic to publish to. `$namespace` stands for the message client's. Event Mesh: at most 150 characters and 20
 * segments, and no wildcards.
 * @throws SluiceError `topic-invalid`, permanent
 */
export function toTopic(text: string, namespace: string | undefined): string {
  const topic = text.replaceAll('$namespace', namespace ?? '')
  const segments = topic.split('/')
  if (topic.length <= MAX_LENGTH && segments.length <= MAX_SEGMENTS && segments.every((each) => SEGMENT.test(each))) {
    return topic
  }
  throw new SluiceError('topic-invalid', 'This is no topic of an Event Mesh.', {
    retry: 'never',
    remedy: 'At most 150 characters and 20 segments, none of them empty, no wildcards and no blanks.',
  })
}

/** As CAP's `format: cloudevents` has it. */
export const CONVENTIONAL_PREFIX = '$namespace/ce/'

/** The prefix, and the type with slashes. */
export const conventionalTopic = (type: string, prefix: string): string => prefix + type.replaceAll('.', '/')
