import type { Raises, SentChange } from './types.ts'

/**
 * Publishes business events as S/4HANA does to Event Mesh: structured CloudEvents that carry the key and nothing else.
 * @returns whether the broker took the event; false also when it is not reachable.
 */
export const eventPublisher = (raises: Raises) => {
  const { broker } = raises
  let token: { value: string; until: number } | undefined

  const bearer = async (): Promise<string> => {
    if (token && Date.now() < token.until) return token.value
    const answer = await fetch(`${broker.tokenUrl}?grant_type=client_credentials`, {
      method: 'POST',
      headers: {
        authorization: `Basic ${Buffer.from(`${broker.clientId}:${broker.clientSecret}`).toString('base64')}`,
        'content-type': 'application/x-www-form-urlencoded',
      },
      body: 'grant_type=client_credentials',
    })
    const { access_token, expires_in } = (await answer.json()) as { access_token: string; expires_in: number }
    token = { value: access_token, until: Date.now() + (expires_in - 60) * 1000 }
    return access_token
  }

  return async (change: SentChange): Promise<boolean> => {
    const topic = `${raises.topicPrefix}/ce/${change.type.replaceAll('.', '/')}`
    const object = change.type.split('.')[5] ?? ''
    try {
      const answer = await fetch(`${broker.url}/messagingrest/v1/topics/${encodeURIComponent(topic)}/messages`, {
        method: 'POST',
        headers: {
          authorization: `Bearer ${await bearer()}`,
          'content-type': 'application/cloudevents+json',
          'x-qos': '1',
        },
        body: JSON.stringify({
          type: change.type,
          specversion: '1.0',
          source: raises.source,
          id: change.eventId,
          time: new Date().toISOString().replace(/\.\d+Z$/, 'Z'),
          datacontenttype: 'application/json',
          data: { [object]: change.key },
        }),
      })
      await answer.arrayBuffer()
      if (answer.status === 401) token = undefined
      return answer.ok
    } catch (error) {
      // fetch reports a broker that is away as TypeError; the change stays pending.
      if (error instanceof TypeError) return false
      throw error
    }
  }
}
