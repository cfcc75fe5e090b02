using {sluice} from '../db/schema';

/** What an operator reads and does. Lists carry no payload: personal data is read one event at a time. */
@path    : '/odata/v4/cockpit'
@requires: ['SluiceViewer', 'SluiceOperator']
service CockpitService {

  /** The configured senders of this instance; not stored. */
  @readonly
  @cds.persistence.skip
  entity Sources {
    key name           : String(100);
        kind           : String(100);
        path           : String(255);
        lastDeliveryAt : Timestamp;
        /** What endangers its events at the broker, a line each, alarms first. */
        risks          : String;
  }

  @readonly
  @cds.query.limit: {default: 100, max: 1000}
  entity Events as
    select from sluice.Events
    mixin {
      dispatches : Association to many Dispatches
                     on dispatches.event = $projection.event;
      // Also for filters: what a caller's answer or a message monitor calls a message's ids belongs to the delivery.
      broughtBy  : Association to one Deliveries
                     on broughtBy.ID = $projection.delivery;
    }
    into {
      *,
      dispatches,
      broughtBy
    }
    excluding {
      data,
      dataBase64
    };

  @readonly
  @cds.query.limit: {default: 100, max: 1000}
  entity Dispatches as
    select from sluice.Dispatches
    mixin {
      history : Association to many Attempts
                  on history.dispatch = $projection.ID;
    }
    into {
      *,
      // The same in the words of Cloud Integration's message monitor.
      case
        when status = 'done'                                       then 'COMPLETED'
        when status = 'waiting' and attempts > forgiven            then 'RETRY'
        when status = 'waiting'                                    then 'PROCESSING'
        when status = 'unsure'                                     then 'ESCALATED'
        when status = 'dead' and reason = 'lost'                   then 'ABANDONED'
        when status = 'dead' and reason = 'subscription-removed'   then 'CANCELLED'
        when status = 'dead'                                       then 'FAILED'
        when status = 'skipped' and reason = 'discarded'           then 'CANCELLED'
        else                                                            'DISCARDED'
      end as mplStatus : String(10),
      history
    }
    excluding {
      result
    }
    actions {
      /** dead, unsure: try again with new attempts. */
      @requires: 'SluiceOperator'
      action retry();
      /** waiting, dead, unsure: never do it. */
      @requires: 'SluiceOperator'
      action discard();
    };

  @readonly
  @cds.query.limit: {default: 100, max: 1000}
  entity Deliveries as
    select from sluice.Deliveries
    mixin {
      events : Association to many Events
                 on events.delivery = $projection.ID;
    }
    into {
      *,
      events
    };

  @readonly
  @cds.query.limit: {default: 100, max: 1000}
  entity Lanes         as projection on sluice.Lanes;

  @readonly
  @cds.query.limit: {default: 100, max: 1000}
  entity Attempts      as projection on sluice.Attempts;

  @readonly
  entity Checkpoints   as projection on sluice.Checkpoints;

  @readonly
  @cds.query.limit: {default: 100, max: 1000}
  entity Rejections    as projection on sluice.Rejections;

  @readonly
  @cds.query.limit: {default: 100, max: 1000}
  entity Audit         as projection on sluice.Audit;

  @readonly
  entity Subscriptions as projection on sluice.Subscriptions
    actions {
      @requires: 'SluiceOperator'
      action pause();
      @requires: 'SluiceOperator'
      action resume();
      /** Forgets it; its open dispatches end dead. */
      @requires: 'SluiceOperator'
      action unregister();
    };

  /** Runs an event again, for one of its subscriptions or for all. Returns the new dispatches. */
  @requires: 'SluiceOperator'
  action replay(event : UUID not null, subscription : String(100)) returns many String;

  /** The data of one event: who may operate may see it. */
  @requires: 'SluiceOperator'
  function data(event : UUID) returns LargeString;
}
