import type { Handler } from 'cap-sluice'

/** Headquarters' order, as it is now, becomes or changes the subsidiary's order with the same external number. */
const salesOrder: Handler = async (_event, { record, targets }) => {
  const { orders } = targets
  if (!orders || !record?.version) throw new Error('the demo configures a target "orders" and fetches the record')
  const { SalesOrder, SalesOrderType, SalesOrganization, SoldToParty, TransactionCurrency, TotalNetAmount } =
    record.data
  const result = await orders.upsert(
    'A_SalesOrder',
    { reference: String(SalesOrder) },
    { SalesOrderType, SalesOrganization, SoldToParty, TransactionCurrency, TotalNetAmount },
    { version: record.version },
  )
  return { outcome: result.outcome, order: result.key?.SalesOrder }
}

export default salesOrder
