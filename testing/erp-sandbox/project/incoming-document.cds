/** Not SAP's: a document that takes any event, so that a demo needs no mapping for each sender. */
@path: '/sap/opu/odata4/sap/API_SLUICE_DEMO_SRV'
service API_SLUICE_DEMO_SRV {
  entity IncomingDocuments {
    key ID                 : String(10);
        ExternalReference  : String(255);
        SourceSystem       : String(40);
        EventType          : String(255);
        Subject            : String(255);
        Amount             : Decimal(16, 3);
        Currency           : String(5);
        Payload            : LargeString;
        CreationDate       : Date;
        @odata.etag
        LastChangeDateTime : Timestamp;
  }
}
