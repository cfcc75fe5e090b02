/** How an S/4HANA object is keyed: the fields of an event's `data`, in the order of the entity's key. */
export interface S4Object {
  readonly key: readonly string[]
  /** What its `Item…` and `Itm…` events speak of. */
  readonly item?: { readonly type: string; readonly key: readonly string[] }
}

/**
 * Business objects of S/4HANA events (`sap.s4.beh.<namespace>.v1.<Object>.<Event>.v1`), by the object's name in the type.
 * https://api.sap.com/package/SAPS4HANABusinessEvents. Add a row for another object; one that is not here still passes.
 */
export const S4_OBJECTS: Readonly<Record<string, S4Object>> = {
  BusinessPartner: { key: ['BusinessPartner'] },
  SalesOrder: { key: ['SalesOrder'], item: { type: 'SalesOrderItem', key: ['SalesOrder', 'SalesOrderItem'] } },
  SalesQuotation: { key: ['SalesQuotation'] },
  SalesContract: { key: ['SalesContract'] },
  CustomerReturn: { key: ['CustomerReturn'] },
  CreditMemoRequest: { key: ['CreditMemoRequest'] },
  DebitMemoRequest: { key: ['DebitMemoRequest'] },
  PurchaseOrder: {
    key: ['PurchaseOrder'],
    item: { type: 'PurchaseOrderItem', key: ['PurchaseOrder', 'PurchaseOrderItem'] },
  },
  PurchaseRequisition: { key: ['PurchaseRequisition'] },
  SupplierInvoice: { key: ['SupplierInvoice', 'FiscalYear'] },
  OutboundDelivery: { key: ['OutboundDelivery'] },
  InboundDelivery: { key: ['InboundDelivery'] },
  BillingDocument: { key: ['BillingDocument'] },
  JournalEntry: { key: ['CompanyCode', 'FiscalYear', 'AccountingDocument'] },
  MaterialDocument: { key: ['MaterialDocumentYear', 'MaterialDocument'] },
  Product: { key: ['Product'] },
  ProductionOrder: { key: ['ManufacturingOrder'] },
  ProcessOrder: { key: ['ManufacturingOrder'] },
  MaintenanceOrder: { key: ['MaintenanceOrder'] },
  ServiceOrder: { key: ['ServiceOrder'] },
  CostCenter: { key: ['ControllingArea', 'CostCenter', 'ValidityEndDate'] },
}
