import {
  type Attributes,
  type Context,
  context,
  ProxyTracerProvider,
  type Span,
  type SpanKind,
  SpanStatusCode,
  type Tracer,
  trace,
} from '@opentelemetry/api'
import { type Fault, toFault } from '#domain/errors'
import type { TraceContext } from '#domain/telemetry'
import { toSpanContext } from './traceparent.ts'

export interface SpanPlan {
  readonly name: string
  readonly kind: SpanKind
  readonly attributes: Attributes
  /** Where it hangs; the active context by default. */
  readonly parent?: Context
  readonly linked?: TraceContext
}

/** What an SDK has registered, if one has. Asked each time: it may come after us. */
export function currentSdk(): Tracer | undefined {
  const provider = trace.getTracerProvider()
  if (provider instanceof ProxyTracerProvider) return provider.getDelegateTracer('cap-sluice')
  return provider.getTracer('cap-sluice')
}

/** Runs work within a span that ends with it. Faults are told by their code: messages may quote data. */
export function spanned<T>(
  sdk: Tracer,
  { name, kind, attributes, parent = context.active(), linked }: SpanPlan,
  run: (span: Span) => Promise<T>,
): Promise<T> {
  const spanContext = linked && toSpanContext(linked)
  const links = spanContext ? [{ context: spanContext }] : []
  return sdk.startActiveSpan(name, { kind, attributes, links }, parent, async (span) => {
    try {
      return await run(span)
    } catch (thrown) {
      fail(span, toFault(thrown))
      throw thrown
    } finally {
      span.end()
    }
  })
}

export function fail(span: Span, { code, httpStatus }: { code: Fault['code']; httpStatus?: number | undefined }): void {
  span.setStatus({ code: SpanStatusCode.ERROR })
  span.setAttribute('error.type', code)
  if (httpStatus !== undefined) span.setAttribute('http.response.status_code', httpStatus)
}
