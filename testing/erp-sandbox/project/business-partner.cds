/** S/4HANA's Business Partner (A2X): changed at a date and a time in two elements, to the second, and not deletable. */
@path: '/sap/opu/odata4/sap/API_BUSINESS_PARTNER'
service API_BUSINESS_PARTNER {
  @Capabilities.DeleteRestrictions.Deletable: false
  entity A_BusinessPartner {
    key BusinessPartner         : String(10);
        BusinessPartnerCategory : String(1);
        OrganizationBPName1     : String(40);
        SearchTerm1             : String(20);
        CreationDate            : Date;
        LastChangeDate          : Date;
        LastChangeTime          : Time;
        @odata.etag
        ETag                    : String(26);
  }
}
