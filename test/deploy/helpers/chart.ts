import { globSync, readFileSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { Ajv } from 'ajv'
import { parse, parseAllDocuments } from 'yaml'

const ROOT = resolve(import.meta.dirname, '../../..')
const CHART = join(ROOT, 'charts/sluice')

type Values = Record<string, unknown>

/** A Kubernetes object, as far as a test looks into it. */
export interface Manifest {
  readonly file: string
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: { readonly name: string }
  // biome-ignore lint/suspicious/noExplicitAny: each kind has a shape of its own
  readonly spec: any
}

export const readChart = () => ({
  chart: parse(readFileSync(join(CHART, 'Chart.yaml'), 'utf8')) as Record<string, string>,
  values: parse(readFileSync(join(CHART, 'values.yaml'), 'utf8')) as Values,
  templates: new Map(
    globSync('templates/*.yaml', { cwd: CHART }).map((path) => [
      basename(path),
      readFileSync(join(CHART, path), 'utf8'),
    ]),
  ),
})

export type Chart = ReturnType<typeof readChart>

const EXPRESSION = /\{\{ (\.[\w.]+)( \| quote)? \}\}/g

/**
 * Renders the part of Go templates that the chart keeps to: `{{ .Values.x }}`, `{{ .Release.x }}`, `| quote`,
 * `{{- if .Values.x }}`, `{{- if eq .Values.x "y" }}` and `{{- end }}`.
 * @param used collects the values that were asked for
 * @throws on anything else, and on a value that is not there
 */
export function render(template: string, values: Values, used = new Set<string>()): string {
  const release: Values = { Name: 'gateway', Revision: 3, Namespace: 'default' }
  const lookUp = (path: string): unknown => {
    const [, root, ...names] = path.split('.')
    const from = { Values: values, Release: release }[root ?? '']
    const found = names.reduce<unknown>((value, name) => (value as Values | undefined)?.[name], from)
    if (found === undefined) throw new Error(`${path} is not there`)
    if (root === 'Values') used.add(names.join('.'))
    return found
  }
  const holds = (condition: string): boolean => {
    const [, path = '', wanted] = /^(?:eq )?(\.[\w.]+)(?: "(\w*)")?$/.exec(condition) ?? []
    if (path === '' || condition.startsWith('eq ') !== (wanted !== undefined)) throw new Error(`if ${condition}?`)
    return wanted === undefined ? Boolean(lookUp(path)) : lookUp(path) === wanted
  }
  const open: boolean[] = []
  const lines = template.split('\n').flatMap((line) => {
    const control = /^\s*\{\{- (if (.+)|end) \}\}$/.exec(line)
    if (control) {
      if (control[2]) open.push(holds(control[2]))
      else if (open.pop() === undefined) throw new Error('end without if')
      return []
    }
    if (open.includes(false)) return []
    if (/\{\{|\}\}/.test(line.replaceAll(EXPRESSION, ''))) throw new Error(`not understood: ${line.trim()}`)
    const text = line.replaceAll(EXPRESSION, (_, path: string, quote?: string) =>
      quote ? JSON.stringify(String(lookUp(path))) : String(lookUp(path)),
    )
    return [text]
  })
  if (open.length > 0) throw new Error('if without end')
  return lines.join('\n')
}

/** @throws where a template does not render, or is no YAML afterwards. */
export function manifests({ templates, values }: Chart, overrides: Values = {}, used?: Set<string>): Manifest[] {
  return [...templates].flatMap(([file, template]) => {
    const documents = parseAllDocuments(render(template, { ...values, ...overrides }, used))
    return documents.flatMap((document) => {
      const [error] = document.errors
      if (error) throw new Error(`${file}: ${error.message}`)
      const object: Manifest | null = document.toJS()
      return object ? [{ ...object, file }] : []
    })
  })
}

const { kinds, definitions } = JSON.parse(readFileSync(join(ROOT, 'test/fixtures/kubernetes.json'), 'utf8'))
const schemas = new Ajv({ strict: false, allErrors: true, schemas: [{ $id: 'kubernetes', kinds, definitions }] })

/** What the API server of a cluster would refuse, or would drop without a word. */
function schemaProblems({ file, ...object }: Manifest): string[] {
  const validate = schemas.getSchema(`kubernetes#/kinds/${object.kind}`)
  if (!validate) return [`${file}: no schema of ${object.kind}`]
  if (validate(object)) return []
  return (validate.errors ?? []).map(
    ({ instancePath, message, params }) => `${file}: ${instancePath} ${message} ${Object.values(params).join()}`,
  )
}

/** What does not fit its kind, or together among the objects of one release, one line each. */
export function inspectManifests(all: readonly Manifest[], external: readonly string[] = []): string[] {
  const of = (kind: string) => all.filter((each) => each.kind === kind)
  const maps = of('ConfigMap').map(({ metadata }) => metadata.name)
  const pods = [...of('Deployment'), ...of('Job')]
  const secrets = [...of('ServiceBinding').map(({ spec }) => spec.secretName), ...external]
  const instances = of('ServiceInstance').map(({ metadata }) => metadata.name)
  const services = of('Service').map(({ metadata }) => metadata.name)
  const labels = of('Deployment').map(({ spec }) => JSON.stringify(spec.template.metadata.labels))
  const backends = [
    ...of('APIRule').map(({ spec }) => spec.service.name),
    ...of('Ingress').flatMap(({ spec }) =>
      spec.rules.flatMap(({ http }: never) =>
        (http as { paths: { backend: { service: { name: string } } }[] }).paths.map(
          ({ backend }) => backend.service.name,
        ),
      ),
    ),
  ]
  const selectors = [
    ...of('Deployment').map(({ spec }) => spec.selector.matchLabels),
    ...of('Service').map(({ spec }) => spec.selector),
    ...of('PodDisruptionBudget').map(({ spec }) => spec.selector.matchLabels),
  ]
  return [
    ...all.flatMap(schemaProblems),
    ...all
      .filter(({ apiVersion, kind, metadata }) => !apiVersion || !kind || !metadata?.name)
      .map(({ file }) => `${file}: no object`),
    ...selectors
      .filter((selector) => !labels.includes(JSON.stringify(selector)))
      .map((each) => `${JSON.stringify(each)} selects nothing`),
    ...backends.filter((name) => !services.includes(name)).map((name) => `no service ${name}`),
    ...of('ServiceBinding')
      .filter(({ spec }) => !instances.includes(spec.serviceInstanceName))
      .map(({ spec }) => `no instance ${spec.serviceInstanceName}`),
    ...pods.flatMap(({ kind, spec }) => podProblems(kind, spec.template.spec, secrets, maps)),
  ]
}

interface Pod {
  terminationGracePeriodSeconds?: number
  securityContext: { runAsNonRoot?: boolean }
  containers: Container[]
  volumes: {
    name: string
    secret?: { secretName: string }
    projected?: { sources: { secret?: { name: string }; configMap?: { name: string } }[] }
  }[]
}

interface Container {
  ports?: { name: string; containerPort: number }[]
  env: { name: string; value: string }[]
  lifecycle?: { preStop: { exec: { command: string[] } } }
  securityContext: { readOnlyRootFilesystem?: boolean; allowPrivilegeEscalation?: boolean }
  volumeMounts: { name: string; mountPath: string }[]
  [probe: `${string}Probe`]: Probe
}

interface Probe {
  httpGet?: { path: string; port: string }
  tcpSocket?: { port: string }
}

function podProblems(kind: string, pod: Pod, secrets: readonly string[], maps: readonly string[]): string[] {
  const volumes = pod.volumes.map(({ name }) => name)
  return [
    ...(pod.securityContext.runAsNonRoot ? [] : [`${kind} may run as root`]),
    ...pod.volumes
      .flatMap(({ secret, projected }) => [
        secret?.secretName,
        ...(projected?.sources ?? []).map((one) => one.secret?.name),
      ])
      .filter((name) => name !== undefined && !secrets.includes(name))
      .map((name) => `no secret ${name}`),
    ...pod.volumes
      .flatMap(({ projected }) => (projected?.sources ?? []).flatMap(({ configMap }) => configMap?.name ?? []))
      .filter((name) => !maps.includes(name))
      .map((name) => `no config map ${name}`),
    ...pod.containers.flatMap((container) => [
      ...container.volumeMounts.filter(({ name }) => !volumes.includes(name)).map(({ name }) => `no volume ${name}`),
      ...(container.securityContext.readOnlyRootFilesystem ? [] : [`${kind} may write into its image`]),
      ...Object.entries(container)
        .filter(([name]) => name.endsWith('Probe'))
        .map(([, probe]) => probe as Probe)
        .filter(
          ({ httpGet, tcpSocket }) =>
            (httpGet && !['/health', '/health/ready'].includes(httpGet.path)) ||
            !container.ports?.some(({ name }) => name === (httpGet ?? tcpSocket)?.port),
        )
        .map(({ httpGet }) => `a probe asks for ${httpGet?.path ?? 'a port that is not there'}`),
      ...timeProblems(pod, container),
    ]),
  ]
}

function timeProblems({ terminationGracePeriodSeconds }: Pod, { env, lifecycle }: Container): string[] {
  if (terminationGracePeriodSeconds === undefined) return []
  const { requires, server } = JSON.parse(env.find(({ name }) => name === 'CDS_CONFIG')?.value ?? '{}')
  const pauseS = Number(lifecycle?.preStop.exec.command.at(-1) ?? 0)
  const neededMs = pauseS * 1_000 + (requires?.sluice?.stopTimeoutMs ?? 0) + (server?.force_exit_timeout ?? 0)
  return neededMs < terminationGracePeriodSeconds * 1_000 ? [] : [`stopping takes ${neededMs} ms`]
}
