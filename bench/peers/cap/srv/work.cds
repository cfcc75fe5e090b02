/** Never called from outside: its events wait in the queue that the configuration names. */
@protocol: 'none'
service Work {
  event delivery {
    id   : String;
    body : LargeString;
  }
}
