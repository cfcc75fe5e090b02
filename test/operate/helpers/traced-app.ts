import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { freePort } from '../../../demo/free-port.ts'
import { until } from '../../crash/helpers/until.ts'

const ROOT = resolve(import.meta.dirname, '../../..')
const MARK = 'SPAN '

/** What the app's exporter tells of a span. */
export interface ToldSpan {
  readonly name: string
  readonly traceId: string
  readonly spanId: string
  readonly parent: string | null
  readonly links: readonly string[]
  readonly attributes: Readonly<Record<string, unknown>>
}

/** An exporter of OpenTelemetry's SDK that writes a line for each span. */
const EXPORTER = `exports.LineExporter = class {
  export(spans, done) {
    for (const span of spans) {
      const { traceId, spanId } = span.spanContext()
      const parent = span.parentSpanContext?.spanId ?? null
      const links = span.links.map(({ context }) => context.spanId)
      const { name, attributes } = span
      process.stdout.write('\\n${MARK}' + JSON.stringify({ name, traceId, spanId, parent, links, attributes }) + '\\n')
    }
    done({ code: 0 })
  }
  async shutdown() {}
}`

/**
 * A CAP app of its own that has both plugins among its dependencies; nothing else in this repository loads
 * `@cap-js/telemetry`. It lies within the checkout, so that both find the same `@sap/cds`.
 */
export async function tracedApp(sluice: object, handler: string) {
  mkdirSync(join(ROOT, '.tmp'), { recursive: true })
  const folder = mkdtempSync(join(ROOT, '.tmp', 'traced-app-'))
  const put = (path: string, content: string | object) => {
    mkdirSync(join(folder, path, '..'), { recursive: true })
    writeFileSync(join(folder, path), typeof content === 'string' ? content : JSON.stringify(content))
  }
  put('package.json', {
    name: 'traced-app',
    type: 'commonjs',
    dependencies: { 'cap-sluice': '*', '@cap-js/telemetry': '*', '@cap-js/sqlite': '*' },
    cds: {
      requires: {
        db: false,
        'sluice-db': { kind: 'sqlite', credentials: { url: join(folder, 'sluice.db') } },
        auth: { kind: 'mocked' },
        sluice,
        telemetry: { tracing: { exporter: { module: './exporter.js', class: 'LineExporter' } } },
      },
    },
  })
  put('exporter.js', EXPORTER)
  put('srv/book.js', handler)
  mkdirSync(join(folder, 'node_modules'))
  symlinkSync(ROOT, join(folder, 'node_modules', 'cap-sluice'), 'junction')

  const port = await freePort()
  const app = spawn(process.execPath, [join(ROOT, 'node_modules/@sap/cds/bin/serve.js')], {
    cwd: folder,
    env: { ...process.env, PORT: String(port) },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [app.stdout, app.stderr])
    stream.setEncoding('utf8').on('data', (text) => {
      output += text
    })
  const exited = once(app, 'exit')
  const url = `http://127.0.0.1:${port}`
  const isReady = async () => {
    if (app.exitCode !== null) throw new Error(output)
    return fetch(`${url}/health/ready`).then(
      ({ ok }) => ok,
      () => false,
    )
  }
  const close = async () => {
    app.kill('SIGKILL')
    await exited
    rmSync(folder, { recursive: true, force: true })
  }
  try {
    await until('the app is ready', isReady)
  } catch (thrown) {
    await close()
    throw new Error(`it did not start:\n${output}`, { cause: thrown })
  }
  return {
    url,
    output: () => output,
    spans: (): ToldSpan[] =>
      output
        .split('\n')
        .filter((line) => line.startsWith(MARK))
        .map((line) => JSON.parse(line.slice(MARK.length)) as ToldSpan),
    close,
  }
}
