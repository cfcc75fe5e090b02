import type { Headers } from './source.ts'

/**
 * What a sender says a delivery is about, in the headers SAP integrations use. Shown and searched for, never trusted.
 * https://help.sap.com/docs/cloud-integration (headers and exchange properties)
 */
export interface DeliveryLabels {
  /** `SAP_ApplicationID`: the sender's business key. */
  readonly applicationId?: string
  /** `SAP_CorrelationId`: ties the deliveries of one business process together. */
  readonly correlationId?: string
  readonly sender?: string
  readonly receiver?: string
  readonly messageType?: string
}

/** Upper bounds in characters, as in Cloud Integration, and what the store's columns hold. */
export const LABEL_LIMITS: Readonly<Record<keyof DeliveryLabels, number>> = {
  applicationId: 120,
  correlationId: 120,
  sender: 120,
  receiver: 120,
  messageType: 100,
}

const HEADERS: readonly (readonly [keyof DeliveryLabels, string])[] = [
  ['applicationId', 'sap_applicationid'],
  ['correlationId', 'sap_correlationid'],
  ['sender', 'sap_sender'],
  ['receiver', 'sap_receiver'],
  ['messageType', 'sap_messagetype'],
]

/** Undefined where there is none, which is so for most senders. A text too long is cut, as Cloud Integration cuts it. */
export function labelsOf(headers: Headers): DeliveryLabels | undefined {
  let labels: { -readonly [Name in keyof DeliveryLabels]: DeliveryLabels[Name] } | undefined
  for (const [name, header] of HEADERS) {
    const text = headers[header]?.[0]
    if (!text) continue
    labels ??= {}
    labels[name] = text.slice(0, LABEL_LIMITS[name])
  }
  return labels
}
