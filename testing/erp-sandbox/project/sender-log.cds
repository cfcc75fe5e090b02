namespace sandbox;

/** Every change of a sales order or business partner, written in the transaction of the change itself. */
entity SenderLog {
  key seq     : Integer64;
      entity  : String(40);
      ![key]  : String(10);
      version : String(40);
      type    : String(100);
      /** pending, raised, or dropped on purpose; none where the sandbox is not told to raise events. */
      event   : String(10);
      eventId : String(36);
}
