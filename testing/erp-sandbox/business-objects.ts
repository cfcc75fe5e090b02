type Data = Record<string, unknown>

/** What an entity of the sandbox is to its ERP. */
export interface BusinessObject {
  readonly service: string
  readonly entity: string
  readonly key: string
  /** First number of its range. */
  readonly numberFrom: number
  readonly mandatory: readonly string[]
  /** As business events name it; absent: raises none. */
  readonly event?: string
  /** Noun of its messages. */
  readonly noun: string
  /**
   * Writes the elements that tell when it was changed; the ETag among them differs from `before`'s in any case.
   * @param at RFC 3339 with milliseconds
   */
  stamp(data: Data, at: string, before?: Readonly<Data>): void
  /** The version its own change log records. */
  version(data: Data): string
  /** What a business user enters; `n` counts up. */
  example(n: number): Data
  /** What a business user changes. */
  edit(n: number): Data
}

let etags = 0

/** 26 characters that never repeat: the moment to the millisecond and a counter. */
const etagOf = (at: string): string => at.replaceAll(/\D/g, '') + String(++etags % 1e9).padStart(9, '0')

/** Its only version is a timestamp, so changes within one clock tick get later ticks. Clocks skewed by more may go back. */
const stampDateTime: BusinessObject['stamp'] = (data, at, before) => {
  const last = Date.parse(String(before?.LastChangeDateTime))
  const ahead = last - Date.parse(at)
  data.LastChangeDateTime = ahead >= 0 && ahead < 1000 ? new Date(last + 1).toISOString() : at
}

const salesOrder: BusinessObject = {
  service: 'API_SALES_ORDER_SRV',
  entity: 'A_SalesOrder',
  key: 'SalesOrder',
  numberFrom: 4711,
  mandatory: ['SalesOrderType', 'SalesOrganization', 'SoldToParty'],
  event: 'SalesOrder',
  noun: 'sales order',
  stamp: stampDateTime,
  version: (data) => String(data.LastChangeDateTime),
  example: (n) => ({
    SalesOrderType: 'OR',
    SalesOrganization: '1010',
    SoldToParty: '17100001',
    PurchaseOrderByCustomer: `PO-${n}`,
    TransactionCurrency: 'EUR',
    TotalNetAmount: 100 + n,
    to_Item: [{ Material: 'TG11', RequestedQuantity: 1, NetAmount: 100 + n }],
  }),
  edit: (n) => ({ TotalNetAmount: 1000 + n }),
}

const businessPartner: BusinessObject = {
  service: 'API_BUSINESS_PARTNER',
  entity: 'A_BusinessPartner',
  key: 'BusinessPartner',
  numberFrom: 1_000_001,
  mandatory: ['BusinessPartnerCategory'],
  event: 'BusinessPartner',
  noun: 'business partner',
  stamp(data, at) {
    data.LastChangeDate = at.slice(0, 10)
    data.LastChangeTime = at.slice(11, 19)
    data.ETag = etagOf(at)
  },
  version: (data) => String(data.ETag),
  example: (n) => ({ BusinessPartnerCategory: '2', OrganizationBPName1: `Partner ${n}`, SearchTerm1: `P${n}` }),
  edit: (n) => ({ SearchTerm1: `CHANGED ${n}` }),
}

const incomingDocument: BusinessObject = {
  service: 'API_SLUICE_DEMO_SRV',
  entity: 'IncomingDocuments',
  key: 'ID',
  numberFrom: 100_000_001,
  mandatory: ['ExternalReference'],
  noun: 'document',
  stamp: stampDateTime,
  version: (data) => String(data.LastChangeDateTime),
  example: (n) => ({ ExternalReference: `ref-${n}`, SourceSystem: 'manual', Amount: n, Currency: 'EUR' }),
  edit: (n) => ({ Subject: `edited ${n}` }),
}

export const businessObjects: readonly BusinessObject[] = [salesOrder, businessPartner, incomingDocument]

/** Elements of type Decimal, of all entities. */
export const decimalElements = ['TotalNetAmount', 'NetAmount', 'RequestedQuantity', 'Amount']

/** The service and database name of an object's entity. */
export const qualified = (object: BusinessObject): string => `${object.service}.${object.entity}`
