import type { Handler } from 'cap-sluice'

/** The subsidiary keeps headquarters' number as the search term, as many do, and both texts in the name. */
const businessPartner: Handler = async (_event, { record, targets }) => {
  const { partners } = targets
  if (!partners || !record) throw new Error('the demo configures a target "partners" and fetches the record')
  const { BusinessPartner, BusinessPartnerCategory, OrganizationBPName1, SearchTerm1 } = record.data
  const result = await partners.upsert(
    'A_BusinessPartner',
    { reference: String(BusinessPartner) },
    { BusinessPartnerCategory, OrganizationBPName1: `${OrganizationBPName1} (${SearchTerm1})` },
  )
  return { outcome: result.outcome, partner: result.key?.BusinessPartner }
}

export default businessPartner
