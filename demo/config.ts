import type { ErpSandbox } from 'cap-sluice/testing'

export interface Secrets {
  readonly github: string
  readonly stripe: string
  readonly shopify: string
  readonly billing: string
}

const V2 = '/sap/opu/odata/sap'

const target = (erp: ErpSandbox, service: string, password: string, entities: Record<string, unknown>) => ({
  kind: 'odata-v2',
  url: `${erp.url}${V2}/${service}`,
  auth: { kind: 'basic', user: erp.user, password },
  settleMs: 5_000,
  timeoutMs: 10_000,
  entities,
})

/** What a project would write under `cds.requires.sluice`, with the addresses of this run. Times are a demo's, not a plant's. */
export function gatewayConfig(headquarters: ErpSandbox, subsidiary: ErpSandbox, jwksUrl: string, database: string) {
  const retry = { attempts: 30, baseMs: 200, factor: 2, capMs: 2_000 }
  return {
    requires: {
      db: false,
      'sluice-db': { kind: 'sqlite', credentials: { url: database } },
      auth: {
        kind: 'mocked',
        users: {
          operator: { roles: ['SluiceViewer', 'SluiceOperator'] },
          viewer: { roles: ['SluiceViewer'] },
          '*': false,
        },
      },
      sluice: {
        worker: { leaseMs: 6_000 },
        sources: {
          github: { kind: 'github', secrets: ['env:DEMO_GITHUB_SECRET'] },
          stripe: { kind: 'stripe', secrets: ['env:DEMO_STRIPE_SECRET'] },
          shopify: { kind: 'shopify', secrets: ['env:DEMO_SHOPIFY_SECRET'] },
          billing: { kind: 'standard-webhooks', secrets: ['env:DEMO_BILLING_SECRET'] },
          mesh: {
            kind: 'event-mesh',
            queue: 'demo/headquarters',
            auth: { kind: 'jwt', jwksUrl, audience: 'sluice!t1', scope: 'sluice!t1.emcallback' },
            allowedOrigins: ['*'],
          },
        },
        targets: {
          hqOrders: target(headquarters, 'API_SALES_ORDER_SRV', 'env:DEMO_HQ_PASSWORD', {
            A_SalesOrder: { key: ['SalesOrder'], object: 'SalesOrder', version: 'LastChangeDateTime', readonly: true },
          }),
          hqPartners: target(headquarters, 'API_BUSINESS_PARTNER', 'env:DEMO_HQ_PASSWORD', {
            A_BusinessPartner: { key: ['BusinessPartner'], object: 'BusinessPartner', version: 'ETag', readonly: true },
          }),
          orders: target(subsidiary, 'API_SALES_ORDER_SRV', 'env:DEMO_SUBSIDIARY_PASSWORD', {
            A_SalesOrder: {
              key: ['SalesOrder'],
              reference: 'ExternalDocumentID',
              guard: 'ExternalDocLastChangeDateTime',
            },
          }),
          partners: target(subsidiary, 'API_BUSINESS_PARTNER', 'env:DEMO_SUBSIDIARY_PASSWORD', {
            A_BusinessPartner: { key: ['BusinessPartner'], reference: 'SearchTerm1' },
          }),
          documents: target(subsidiary, 'API_SLUICE_DEMO_SRV', 'env:DEMO_SUBSIDIARY_PASSWORD', {
            IncomingDocuments: { key: ['ID'], reference: 'ExternalReference' },
          }),
        },
        subscriptions: {
          documents: {
            on: '*',
            sources: ['github', 'stripe', 'shopify', 'billing'],
            handler: 'demo/handlers/document',
            timeoutMs: 5_000,
            retry,
          },
          'sales-orders': {
            on: ['sap.s4.beh.salesorder.*', 'sales.order.changed.v1'],
            handler: 'demo/handlers/sales-order',
            fetch: 'hqOrders',
            timeoutMs: 5_000,
            retry,
          },
          'business-partners': {
            on: ['sap.s4.beh.businesspartner.*'],
            handler: 'demo/handlers/business-partner',
            fetch: 'hqPartners',
            timeoutMs: 5_000,
            retry,
          },
        },
        polls: {
          'hq-orders': {
            target: 'hqOrders',
            entity: 'A_SalesOrder',
            type: 'sales.order.changed.v1',
            cron: '*/5 * * * * *',
            backs: 'mesh',
          },
        },
      },
    },
  }
}
