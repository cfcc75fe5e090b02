namespace sluice;

/**
 * The stored nouns. Keys serve the hot queries; the few other indexes are created at deployment (CDS declares none).
 * Moments are UTC. Hashes are 32 hex digits (128 bits of SHA-256), behind what keeps neighbors in time together on disk
 * (adapters/inbox/hash.ts). Bounds match srv/domain/check-draft.ts.
 */
type Hash : String(56);
type Name : String(100);
type DispatchStatus : String(10) enum { waiting; done; skipped; dead; unsure; }
type Outcome : String(12) enum { accepted; duplicate; conflict; quarantined; ignored; }

/** One HTTP attempt by a sender, or one page of a poll. */
entity Deliveries {
  key ID         : UUID;
      source     : Name not null;
      channel    : String(4) not null; // push, poll
      receivedAt : Timestamp not null;
      method     : String(10);
      url        : String(2048);
      headers    : LargeString;
      bodyHash   : String(64);
      bodyBytes  : Integer;
      authlevel  : String(16);
      secretId   : String(16);
      principal  : String(255);
      outcome    : Outcome not null;
      reason     : String(255); // of quarantine, of what is ignored, and equal-content of a duplicate without an id
      // What the sender says it is about (SAP_ApplicationID and the like); bounds match srv/domain/labels.ts.
      applicationId : String(120);
      correlationId : String(120);
      sender        : String(120);
      receiver      : String(120);
      messageType   : String(100);
}

/**
 * The bytes as they came, once per delivery; removed first by retention. On SQLite there is no row where they are the data
 * of the delivery's only event.
 */
entity Payloads {
  key delivery : UUID;
      bytes    : LargeBinary;
}

/** Recognizes a sender's repetition for ever; outlives payloads and events. */
entity Identities {
  key hash        : Hash; // of (configured source, sender's id)
      event       : UUID not null;
      contentHash : String(64) not null;
      expiresAt   : Timestamp; // only where the identity is a content hash with a window
}

/** The business fact, as a CloudEvent. */
entity Events {
  key event           : UUID; // ours; `id` is the sender's
      delivery        : UUID not null;
      origin          : Name not null; // configured source or poll
      receivedAt      : Timestamp not null;
      id              : String(512) not null;
      source          : String(512) not null;
      type            : String(255) not null;
      subject         : String(512);
      time            : String(64);
      datacontenttype : String(255);
      dataschema      : String(1024);
      partitionkey    : String(255);
      sequence        : String(64);
      traceparent     : String(64);
      tracestate      : String(512);
      recordedtime    : String(64);
      providertype    : String(255);
      authlevel       : String(16);
      nature          : String(5) not null; // fact, state
      objectType      : String(100);
      objectKey       : String(255);
      objectVersion   : String(100);
      unrouted        : Boolean not null default false; // no subscription wanted it
      data            : LargeString;
      dataBase64      : LargeString; // only where the payload is no text
}

/** One event for one subscription: the unit of work. */
entity Dispatches {
  key ID           : String(150); // <event>:<subscription>:<run>
      event        : UUID not null;
      subscription : Name not null;
      run          : Integer not null;
      lane         : Hash not null;
      pos          : Integer64 not null;
      status       : DispatchStatus not null;
      reason       : String(255);
      attempts     : Integer not null default 0;
      forgiven     : Integer not null default 0; // attempts before an operator gave new ones
      lastSentAt   : Timestamp; // when a write may last have reached a target
      availableAt  : Timestamp;
      result       : LargeString;
      finishedAt   : Timestamp;
}

/**
 * The dispatches of one (subscription, partitionkey) in commit order: positions head … tail-1. SQLite counts them over all
 * lanes, so that there are gaps, and writes `tail` only when it writes the lane.
 */
entity Lanes {
  key ID           : Hash; // of (subscription, partitionkey)
      subscription : Name not null;
      partitionkey : String(255) not null;
      head         : Integer64 not null;
      tail         : Integer64 not null;
      availableAt  : Timestamp; // none: empty or blocked; past: ready; future: leased or resting
      owner        : String(36); // unique per lease: the fence
      blocked      : Boolean not null default false; // a dead head waits for an operator
}

entity Attempts {
  key dispatch   : String(150);
  key n          : Integer;
      at         : Timestamp not null;
      durationMs : Integer;
      fence      : String(36);
      outcome    : String(10) not null; // ok, skipped, failed, timeout, ambiguous, lost
      code       : String(100);
      httpStatus : Integer;
      message    : String(2048);
}

/** What every instance feeds, whichever version it runs. */
entity Subscriptions {
  key name         : Name;
      filter       : LargeString not null;
      ![order]     : String(6);
      paused       : Boolean not null default false;
      registeredAt : Timestamp not null;
      removedAt    : Timestamp;
}

/** Versions in effect, per subscription and object, and those we wrote ourselves, per target and object. */
entity Effects {
  key hash        : Hash; // of (scope, object)
      scope       : String(120) not null;
      object      : String(360) not null;
      version     : String(100) not null;
      contentHash : String(64);
      at          : Timestamp not null;
}

entity Checkpoints {
  key poll        : Name;
      revision    : Integer not null;
      watermark   : String(100);
      slotAt      : Timestamp;
      completedAt : Timestamp;
}

entity Leases {
  key name  : String(120); // of what is led: poll:<name>, mesh:<name>
      owner : String(36);
      fence : Integer not null;
      until : Timestamp;
}

entity SourceStates {
  key source : Name;
  key name   : Name;
      value  : LargeString;
}

/** Refused deliveries, counted per minute: never a row each. */
entity Rejections {
  key source : Name;
  key reason : String(64);
  key minute : Timestamp;
      count  : Integer not null;
}

/** Every operator action. */
entity Audit {
  key ID     : UUID;
      at     : Timestamp not null;
      actor  : String(255) not null;
      action : String(32) not null;
      object : String(255) not null;
      detail : String(255);
}

/** Expand/contract: an instance refuses a store that is newer than it knows. */
entity Meta {
  key name  : String(32);
      value : String(255);
}
