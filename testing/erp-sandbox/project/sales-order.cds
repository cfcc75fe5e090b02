/** The part of S/4HANA's Sales Order (A2X) that Sluice touches, in its real shape. */
@path: '/sap/opu/odata4/sap/API_SALES_ORDER_SRV'
service API_SALES_ORDER_SRV {
  entity A_SalesOrder {
    key SalesOrder                   : String(10);
        SalesOrderType               : String(4);
        SalesOrganization            : String(4);
        DistributionChannel          : String(2);
        OrganizationDivision         : String(2);
        SoldToParty                  : String(10);
        PurchaseOrderByCustomer      : String(35);
        ExternalDocumentID           : String(40);
        ExternalDocLastChangeDateTime : Timestamp;
        TransactionCurrency          : String(5);
        TotalNetAmount               : Decimal(16, 3);
        CreationDate                 : Date;
        @odata.etag
        LastChangeDateTime           : Timestamp;
        to_Item                      : Composition of many A_SalesOrderItem
                                         on to_Item.SalesOrder = SalesOrder;
  }

  @Capabilities.InsertRestrictions.Insertable: false
  @Capabilities.UpdateRestrictions.Updatable: false
  @Capabilities.DeleteRestrictions.Deletable: false
  entity A_SalesOrderItem {
    key SalesOrder            : String(10);
    key SalesOrderItem        : String(6);
        ExternalItemID        : String(10);
        Material              : String(40);
        SalesOrderItemText    : String(40);
        RequestedQuantity     : Decimal(15, 3);
        RequestedQuantityUnit : String(3);
        NetAmount             : Decimal(16, 3);
        TransactionCurrency   : String(5);
  }
}
