import { connectionOf, type MeshConnection } from '../../adapters/event-mesh/index.ts'
import type { EventMeshBroker } from '../../testing/index.ts'

/** The simulator, as configuration would name it. */
export const connectionTo = (
  { url, tokenUrl, client, ca }: Pick<EventMeshBroker, 'url' | 'tokenUrl' | 'client' | 'ca'>,
  more: { dialect?: 'event-mesh' | 'integration-suite'; namespace?: string } = {},
): MeshConnection =>
  connectionOf({
    url,
    tokenUrl,
    clientId: client.clientId,
    clientSecret: client.clientSecret,
    ...(ca ? { ca } : {}),
    ...more,
  })

/** A structured CloudEvent as S/4HANA writes it. */
export const s4Event = (id: string, order = id): object => ({
  specversion: '1.0',
  type: 'sap.s4.beh.salesorder.v1.SalesOrder.Changed.v1',
  source: '/default/sap.s4.beh/HQ01CLNT100',
  id,
  time: '2026-01-01T00:00:00Z',
  datacontenttype: 'application/json',
  data: { SalesOrder: order },
})

export const S4_TOPIC = 'sap/S4HANAOD/hq01/ce/sap/s4/beh/salesorder/v1/SalesOrder/Changed/v1'
