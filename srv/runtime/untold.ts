import type { Meter, Tracer } from '#domain/telemetry'

const nothing = () => {}

/** Where nobody counts. */
export const NO_METER: Meter = {
  delivered: nothing,
  refused: nothing,
  committing: () => nothing,
  settled: nothing,
  polled: nothing,
  retained: nothing,
}

/** Where nobody traces. */
export const NO_TRACER: Tracer = {
  delivery: (_about, run) => run(),
  store: (_source, run) => run(undefined),
  poll: (_about, run) => run(undefined),
  attempt: (_subscription, _dispatch, run) => run(),
  target: (_name, target) => target,
  apart: (run) => run(),
}
