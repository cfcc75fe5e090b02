/** A client of the token service: a message client, an application, or one without the right scope. */
export interface TokenClient {
  readonly clientId: string
  readonly clientSecret: string
  /** PEM; it proves the client instead of the secret. With TLS only. */
  readonly certificate?: string
  /** Scopes its tokens carry, e.g. `sluice!t1.emcallback`. */
  readonly scopes: readonly string[]
  /** `aud` of its tokens. */
  readonly audience: readonly string[]
}

/** What the message client's descriptor allows; patterns as in topic subscriptions. */
export interface TopicRules {
  readonly publish: readonly string[]
  readonly subscribe: readonly string[]
  readonly queues: readonly string[]
}

/** Where the simulator listens and how it delivers. */
export interface EventMeshOptions {
  /** 0 or absent: any free port. */
  readonly port?: number
  /** The first is what the simulator names as its own. */
  readonly clients?: readonly TokenClient[]
  /** Sent as `WebHook-Request-Origin`. */
  readonly origin?: string
  /** https only, with a certificate for 127.0.0.1, localhost and `hostname` by an authority of this run (`ca`). */
  readonly tls?: boolean
  /** Another name that leads here, as a test's name service has it. */
  readonly hostname?: string
  /** PEM of an authority that webhooks' certificates may be signed by. */
  readonly trustedCa?: string
  /** Everything is allowed if absent; what is not is answered 403. */
  readonly rules?: TopicRules
  /** 12 hours less a second if absent, as XSUAA. */
  readonly tokenLifetimeSeconds?: number
  /** Picks messages from a queue in a random order: Event Mesh promises none. */
  readonly shuffleSeed?: number
  /** Delivers every n-th message twice at once, as at-least-once allows. */
  readonly duplicateEvery?: number
  /** How long a webhook may take to answer, in real ms; 30 s if absent. SAP documents no figure. */
  readonly answerTimeoutMs?: number
}

/** How the broker misbehaves: whatever a router in front of it, an outage or a quota may answer. */
export interface Fault {
  /** A regular expression over `METHOD /path`. */
  readonly match: string
  /** An HTTP status with `headers` and `body`; `cut` breaks the connection, `hang` never answers. */
  readonly answer: number | 'cut' | 'hang'
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  /** The call takes effect first: only its answer is lost. */
  readonly after?: boolean
  /** Ends by itself after so many; until the next switch if absent. */
  readonly times?: number
}

/** What the simulator does wrong. */
export interface EventMeshSwitches {
  /** The token keys answer 503, so that no receiver can fetch them. */
  readonly tokenKeysDown: boolean
  /** The token endpoint answers 503. */
  readonly tokensDown: boolean
  /** Management is not ready: 503 with `Retry-After`, as right after its creation. */
  readonly notReady: boolean
  readonly faults: readonly Fault[]
}

export const defaultClient: TokenClient = {
  clientId: 'sb-event-mesh!b1',
  clientSecret: 'event-mesh-secret',
  scopes: ['sluice!t1.emcallback', 'sluice!t1.emmanagement'],
  audience: ['sluice!t1', 'sb-event-mesh!b1'],
}
