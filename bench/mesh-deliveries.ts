import type { Template } from './deliveries.ts'

const BODY_BYTES = 2_048
const ID_LENGTH = 36
const EMPTY_ID = ' '.repeat(ID_LENGTH)

/** What an Event Mesh sends to its webhook. */
export interface MeshLoad {
  readonly token: string
  /** Every body is cut off in its middle, as nothing a receiver could read. */
  readonly poison?: boolean
}

/** An S/4HANA event as Event Mesh pushes it, 2 KB like the floor's deliveries, with the id still empty. */
export function meshTemplate(path: string, number: number, { token, poison = false }: MeshLoad): Template {
  const json = JSON.stringify({
    specversion: '1.0',
    id: EMPTY_ID,
    type: 'sap.s4.beh.salesorder.v1.SalesOrder.Changed.v1',
    source: '/default/sap.s4.beh/HQ01CLNT100',
    time: '2026-01-01T00:00:00Z',
    datacontenttype: 'application/json',
    data: { SalesOrder: String(4_000_000 + number), Text: '' },
  })
  const whole = json.replace('"Text":""', `"Text":"${'x'.repeat(BODY_BYTES - json.length)}"`)
  const body = poison ? whole.slice(0, BODY_BYTES / 2).padEnd(BODY_BYTES, 'x') : whole
  const head = [
    `POST ${path} HTTP/1.1`,
    'host: 127.0.0.1',
    `authorization: Bearer ${token}`,
    'content-type: application/cloudevents+json; charset=utf-8',
    'x-address: topic:sap/S4HANAOD/hq01/ce/sap/s4/beh/salesorder/v1/SalesOrder/Changed/v1',
    `content-length: ${Buffer.byteLength(body)}`,
  ].join('\r\n')
  const bytes = Buffer.from(`${head}\r\n\r\n${body}`)
  return { bytes, idAt: bytes.indexOf(EMPTY_ID) }
}
