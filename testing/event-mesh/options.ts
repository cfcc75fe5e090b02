/** A client of the token service: a message client, an application, or one without the right scope. */
export interface TokenClient {
  readonly clientId: string
  readonly clientSecret: string
  /** Scopes its tokens carry, e.g. `sluice!t1.emcallback`. */
  readonly scopes: readonly string[]
  /** `aud` of its tokens. */
  readonly audience: readonly string[]
}

export interface EventMeshOptions {
  /** 0 or absent: any free port. */
  readonly port?: number
  /** The first is what the simulator names as its own. */
  readonly clients?: readonly TokenClient[]
  /** Sent as `WebHook-Request-Origin`. */
  readonly origin?: string
  /** Picks messages from a queue in a random order: Event Mesh promises none. */
  readonly shuffleSeed?: number
  /** Delivers every n-th message twice at once, as at-least-once allows. */
  readonly duplicateEvery?: number
  /** How long a webhook may take to answer, in real ms; 30 s if absent. SAP documents no figure. */
  readonly answerTimeoutMs?: number
}

export interface EventMeshSwitches {
  /** The token keys answer 503, so that no receiver can fetch them. */
  readonly tokenKeysDown: boolean
  /** The token endpoint answers 503. */
  readonly tokensDown: boolean
}

export const defaultClient: TokenClient = {
  clientId: 'sb-event-mesh!b1',
  clientSecret: 'event-mesh-secret',
  scopes: ['sluice!t1.emcallback', 'sluice!t1.emmanagement'],
  audience: ['sluice!t1', 'sb-event-mesh!b1'],
}
