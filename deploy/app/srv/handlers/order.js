/** A shop's order becomes a sales order, found again by the shop's own number. */
export default async function order(event, { targets }) {
  const { number, soldToParty, currency } = event.data
  const { outcome, key } = await targets.erp.create(
    'A_SalesOrder',
    {
      SalesOrderType: 'OR',
      SalesOrganization: '1710',
      DistributionChannel: '10',
      OrganizationDivision: '00',
      SoldToParty: soldToParty,
      TransactionCurrency: currency,
    },
    { reference: number },
  )
  return { outcome, salesOrder: key?.SalesOrder }
}
