import {
  type Attributes,
  type Context,
  context,
  propagation,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  type TextMapGetter,
  trace,
} from '@opentelemetry/api'
import type { Headers } from '#domain/source'
import type { Trace, TraceContext, Tracer } from '#domain/telemetry'
import { currentSdk, fail, type SpanPlan, spanned } from './spans.ts'
import { tracedTarget } from './traced-target.ts'
import { toSpanContext, toTraceContext } from './traceparent.ts'

const SYSTEM = { 'messaging.system': 'sluice' }

/**
 * Spans on the OpenTelemetry API, after its conventions for HTTP and messaging
 * (https://opentelemetry.io/docs/specs/semconv/messaging/messaging-spans/). Who records them is the application's choice:
 * where no SDK is registered, nothing is made and nothing costs. No payload, no query string and no message of an error
 * gets into an attribute.
 */
export function openTelemetry(): Tracer {
  return {
    delivery: (about, run) => {
      const sdk = currentSdk()
      if (!sdk) return run()
      return spanned(sdk, deliveryPlan(about), async (span) => {
        const reply = await run()
        span.setAttribute('http.response.status_code', reply.status)
        if (reply.status >= 500) span.setStatus({ code: SpanStatusCode.ERROR })
        return reply
      })
    },

    store: (source, run) => {
      const sdk = currentSdk()
      if (!sdk) return run(undefined)
      const attributes = { ...SYSTEM, ...operation('send', 'store'), 'messaging.destination.name': source }
      return spanned(sdk, { name: `store ${source}`, kind: SpanKind.PRODUCER, attributes }, async (span) => {
        const outcome = await run(traceOf(span))
        span.setAttributes({ 'sluice.delivery.id': outcome.delivery, 'sluice.delivery.outcome': outcome.outcome })
        return outcome
      })
    },

    poll: ({ poll, target }, run) => {
      const sdk = currentSdk()
      if (!sdk) return run(undefined)
      const attributes = {
        ...SYSTEM,
        ...operation('send', 'poll'),
        'messaging.destination.name': poll,
        'sluice.target.name': target,
      }
      const plan = { name: `poll ${poll}`, kind: SpanKind.PRODUCER, attributes, parent: ROOT_CONTEXT }
      return spanned(sdk, plan, async (span) => {
        const ended = await run(traceOf(span))
        span.setAttribute('messaging.batch.message_count', ended.events)
        return ended
      })
    },

    attempt: (subscription, dispatch, run) => {
      const sdk = currentSdk()
      if (!sdk) return run()
      const { event } = dispatch
      const { traceparent = '', tracestate } = event.attributes
      const linked = { traceparent, ...(tracestate === undefined ? {} : { tracestate }) }
      const attributes = {
        ...SYSTEM,
        ...operation('process', 'process'),
        'messaging.destination.name': event.origin,
        'messaging.destination.subscription.name': subscription,
        'messaging.message.id': event.key,
        'cloudevents.event_id': event.attributes.id,
        'cloudevents.event_type': event.attributes.type,
        'sluice.delivery.id': event.delivery,
        'sluice.dispatch.run': dispatch.run,
        'sluice.dispatch.attempt': dispatch.attempts + 1,
      }
      const name = `process ${subscription}`
      const plan = { name, kind: SpanKind.CONSUMER, attributes, parent: contextOf(linked), linked }
      return spanned(sdk, plan, async (span) => {
        const result = await run()
        const { outcome, code, httpStatus } = result.record
        span.setAttribute('sluice.attempt.outcome', outcome)
        if (outcome !== 'ok' && outcome !== 'skipped') fail(span, { code: code ?? outcome, httpStatus })
        return result
      })
    },

    target: (name, target) => tracedTarget(name, target),

    apart: (run) => {
      if (currentSdk()) context.with(ROOT_CONTEXT, run)
      else run()
    },
  }
}

/** Where the host's own instrumentation has a span for the request, ours is a step of it; otherwise it is the server's. */
function deliveryPlan({ source, method, path, headers }: Parameters<Tracer['delivery']>[0]): SpanPlan {
  const active = context.active()
  const isStep = trace.getSpan(active) !== undefined
  return {
    name: isStep ? `receive ${source}` : `${method} ${source}`,
    kind: isStep ? SpanKind.INTERNAL : SpanKind.SERVER,
    attributes: { 'sluice.source': source, 'http.request.method': method, 'url.path': path },
    parent: isStep ? active : propagation.extract(active, headers, GETTER),
  }
}

const operation = (type: 'send' | 'process', name: string): Attributes => ({
  'messaging.operation.type': type,
  'messaging.operation.name': name,
})

const traceOf = (span: Span): Trace => ({
  context: toTraceContext(span.spanContext()),
  link: (other) => {
    const spanContext = toSpanContext(other)
    if (spanContext) span.addLink({ context: spanContext })
  },
})

/** An attempt is in the trace of its event, however much later it comes and in whichever process. */
function contextOf(stored: TraceContext): Context {
  const spanContext = toSpanContext(stored)
  return spanContext ? trace.setSpanContext(ROOT_CONTEXT, spanContext) : ROOT_CONTEXT
}

const GETTER: TextMapGetter<Headers> = {
  keys: (headers) => Object.keys(headers),
  get: (headers, name) => headers[name.toLowerCase()]?.[0],
}
