import { X509Certificate } from 'node:crypto'
import type { Message } from './queues.ts'

const minuteMs = 60_000
const dayMs = 24 * 60 * minuteMs

/** What tells SAP's brokers apart when they push. */
export interface DeliveryStyle {
  readonly shakesHands: boolean
  readonly isAcknowledged: (status: number) => boolean
  /** Before the next try, after so many redeliveries. */
  readonly retryMs: (redeliveries: number) => number
  readonly request: (message: Message, defaultContentType: string) => { headers: Record<string, string>; body: Buffer }
}

const is2xx = (status: number): boolean => status >= 200 && status < 300

/** First after 15 minutes, then twice as long each, up to a day. */
const everLater = (redeliveries: number): number => Math.min(15 * minuteMs * 2 ** redeliveries, dayMs)

const passOn: DeliveryStyle['request'] = ({ contentType, address, body }, defaultContentType) => ({
  headers: { 'content-type': contentType ?? defaultContentType, 'x-address': address },
  body,
})

const deliveryStyles = {
  /** BTP and Integration Suite: "Create a Webhook Subscription". */
  'event-mesh': { shakesHands: true, isAcknowledged: is2xx, retryMs: everLater, request: passOn },
  /** Cloud Application Event Hub: binary CloudEvents, no handshake. Its retries are not documented. */
  'event-hub': {
    shakesHands: false,
    isAcknowledged: is2xx,
    retryMs: everLater,
    request: ({ body }) => toBinary(body),
  },
  /** A REST delivery point of Advanced Event Mesh: 200 and nothing else acknowledges, a retry every 30 s. */
  'advanced-event-mesh': {
    shakesHands: false,
    isAcknowledged: (status) => status === 200,
    retryMs: () => 30_000,
    request: ({ id, contentType, body }, defaultContentType) => ({
      headers: {
        'content-type': contentType ?? defaultContentType,
        'Solace-Delivery-Mode': 'Persistent',
        'Solace-Correlation-ID': id,
        'Solace-DMQ-Eligible': 'true',
        'Solace-Time-To-Live-In-ms': '0',
      },
      body,
    }),
  },
} as const satisfies Record<string, DeliveryStyle>

export type DeliveryStyleName = keyof typeof deliveryStyles

export const styleOf = (name: DeliveryStyleName): DeliveryStyle => deliveryStyles[name]

/** A structured event as `ce-*` headers with its data as the body; HTTP binding §3.1. */
const toBinary = (structured: Buffer): { headers: Record<string, string>; body: Buffer } => {
  const { data, datacontenttype = 'application/json', ...attributes } = JSON.parse(structured.toString())
  const named = Object.entries<unknown>(attributes).map(([name, value]) => [`ce-${name}`, encodeURI(String(value))])
  const headers = {
    'content-type': String(datacontenttype),
    'ce-sapconsumertenant': 'consumer-1',
    ...Object.fromEntries(named),
  }
  return { headers, body: Buffer.from(data === undefined ? '' : JSON.stringify(data)) }
}

/** What Cloud Foundry's router adds where it ended the TLS of a client with a certificate. */
export const routerHeaders = (certificate: string): Readonly<Record<string, string>> => {
  const { raw, subject, issuer } = new X509Certificate(certificate)
  const encoded = (text: string) => Buffer.from(text).toString('base64')
  return {
    'x-ssl-client': '1',
    'x-ssl-client-verify': '0',
    'x-ssl-client-subject-cn': encoded(/^CN=(.+)$/m.exec(subject)?.[1] ?? ''),
    'x-ssl-client-subject-dn': encoded(subject.replaceAll('\n', ',')),
    'x-ssl-client-issuer-dn': encoded(issuer.replaceAll('\n', ',')),
    'x-forwarded-client-cert': raw.toString('base64'),
  }
}
