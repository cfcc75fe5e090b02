import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { expect } from 'chai'
import { type Chart, inspectManifests, manifests, readChart, render } from './helpers/chart.ts'

const ROOT = resolve(import.meta.dirname, '../..')
const json = (path: string) => JSON.parse(readFileSync(resolve(ROOT, path), 'utf8'))

/** Ways to install it, and the secrets that are there before. */
const INSTALLATIONS: Record<string, { values: Record<string, unknown>; secrets: string[] }> = {
  'on Kyma, with bindings by the BTP operator': { values: {}, secrets: [] },
  'on Kyma, with a Cloud Connector': {
    values: { connectivitySecret: 'connectivity', postgresAllowAccess: '10.1.2.3' },
    secrets: ['connectivity'],
  },
  'on any Kubernetes, with secrets of these names': {
    values: { expose: 'ingress', bindings: 'none' },
    secrets: ['gateway-xsuaa', 'gateway-destination', 'gateway-postgres'],
  },
}

describe('the Helm chart', () => {
  for (const [how, { values, secrets }] of Object.entries(INSTALLATIONS)) {
    it(`fits together ${how}`, () => {
      const all = manifests(readChart(), values)
      expect(inspectManifests(all, secrets)).to.deep.equal([])
      const reached = all.filter(({ kind }) => kind === 'APIRule' || kind === 'Ingress')
      const hosts = reached.flatMap(({ spec }) => spec.hosts ?? spec.rules.map(({ host }: { host: string }) => host))
      expect(hosts.map((host: string) => host.split('.')[0])).to.deep.equal(['sluice', 'sluice-cockpit'])
    })
  }

  it('uses every value, and has the package’s version', () => {
    const chart = readChart()
    const used = new Set<string>()
    for (const { values } of Object.values(INSTALLATIONS)) manifests(chart, values, used)
    const given = Object.entries(chart.values).flatMap(([name, value]) => leaves(name, value))
    expect([...used].sort()).to.deep.equal(given.sort())
    const { version } = json('package.json')
    const { image, router } = chart.values as Record<'image' | 'router', { tag: string }>
    const versions = [chart.chart.version, chart.chart.appVersion, image.tag, router.tag]
    expect(new Set(versions)).to.deep.equal(new Set([version]))
  })

  it('asks BTP for what the MTA asks for', () => {
    const parameters = (name: string) =>
      manifests(readChart()).find(({ kind, metadata }) => kind === 'ServiceInstance' && metadata.name === name)?.spec
        .parameters
    const ofRelease = (value: unknown) =>
      JSON.parse(JSON.stringify(value).replaceAll('sluice-event-mesh', 'gateway-event-mesh'))
    const { 'oauth2-configuration': validity, ...security } = ofRelease(json('xs-security.json'))
    expect(parameters('gateway-xsuaa')).to.deep.equal({
      xsappname: 'gateway',
      ...security,
      'oauth2-configuration': { ...validity, 'redirect-uris': ['https://sluice-cockpit.example.com/**'] },
    })
    expect(parameters('gateway-event-mesh')).to.deep.equal(ofRelease(json('event-mesh.json')))
  })

  it('mounts each binding where CAP looks for it', () => {
    const { requires } = json('deploy/app/.cdsrc.json')
    const [deployment] = manifests(readChart(), { connectivitySecret: 'c' }).filter(({ kind }) => kind === 'Deployment')
    const [container] = deployment?.spec.template.spec.containers ?? []
    for (const { name, mountPath } of container.volumeMounts) {
      expect(requires).to.have.property(name)
      expect(mountPath).to.equal(`/bindings/${name}`)
    }
  })

  it('sends people on to the gateway with their token, by the name the router’s routes have', () => {
    const all = manifests(readChart())
    const router = all.find(({ kind, metadata }) => kind === 'Deployment' && metadata.name === 'gateway-router')
    const [container] = router?.spec.template.spec.containers ?? []
    const env = container.env.find(({ name }: { name: string }) => name === 'destinations')
    const [{ name, url, forwardAuthToken }, ...more] = JSON.parse(env.value)
    expect(more).to.deep.equal([])
    expect(forwardAuthToken).to.equal(true)
    expect(all.some(({ kind, metadata }) => kind === 'Service' && `http://${metadata.name}` === url)).to.equal(true)
    for (const { destination } of json('deploy/router/xs-app.json').routes) expect(destination).to.equal(name)
  })

  it('tells CAP how to read the connectivity binding with the cluster’s proxy', () => {
    const [map] = manifests(readChart(), { connectivitySecret: 'c' }).filter(({ kind }) => kind === 'ConfigMap')
    const { data } = map as unknown as { data: Record<string, string> }
    const { credentialProperties } = JSON.parse(data['.metadata'] ?? '') as { credentialProperties: { name: string }[] }
    const names = credentialProperties.map(({ name }) => name)
    expect(names).to.include.members(Object.keys(data).filter((name) => name !== '.metadata'))
    expect(names).to.include.members(['clientid', 'clientsecret', 'token_service_url'])
  })

  const mistakes: [string, string, (template: string) => string, RegExp][] = [
    [
      'another label',
      'service.yaml',
      (text) =>
        text.replace('selector:\n    app.kubernetes.io/name: sluice', 'selector:\n    app.kubernetes.io/name: x'),
      /selects nothing/,
    ],
    ['no such volume', 'deployment.yaml', (text) => text.replace('- name: auth', '- name: xsuaa'), /no volume xsuaa/],
    ['no such secret', 'deployer.yaml', (text) => text.replace('-postgres', '-db'), /no secret gateway-db/],
    [
      'no such service',
      'apirule.yaml',
      (text) => text.replace('service:\n    name: {{ .Release.Name }}', 'service:\n    name: srv'),
      /no service srv/,
    ],
    [
      'an unknown probe',
      'deployment.yaml',
      (text) => text.replace('path: /health/ready', 'path: /ready'),
      /asks for \/ready/,
    ],
    [
      'too little time',
      'deployment.yaml',
      (text) => text.replace('{{ .Values.terminationGracePeriodSeconds }}', '30'),
      /stopping takes 55000 ms/,
    ],
    [
      'a field at the wrong depth',
      'deployment.yaml',
      (text) =>
        text
          .replace('  replicas: {{ .Values.replicas }}\n', '')
          .replace('    spec:\n', '    spec:\n      replicas: 2\n'),
      /deployment\.yaml: \/spec\/template\/spec must NOT have additional properties replicas/,
    ],
    [
      'a misspelled field',
      'pdb.yaml',
      (text) => text.replace('minAvailable:', 'minAvailible:'),
      /must NOT have additional properties minAvailible/,
    ],
    [
      'a value of another type',
      'service.yaml',
      (text) => text.replace('port: 80', 'port: "80"'),
      /\/spec\/ports\/0\/port must be number/,
    ],
    [
      'an API version of yesterday',
      'apirule.yaml',
      (text) => text.replace('kyma-project.io/v2', 'kyma-project.io/v1beta1'),
      /\/apiVersion must be equal to constant/,
    ],
    ['root', 'deployer.yaml', (text) => text.replace('runAsNonRoot: true', 'runAsNonRoot: false'), /may run as root/],
    [
      'no instance',
      'btp-services.yaml',
      (text) => text.replace('serviceInstanceName: {{ .Release.Name }}-xsuaa', 'serviceInstanceName: x'),
      /no instance x/,
    ],
  ]
  for (const [what, file, spoil, problem] of mistakes) {
    it(`would be refused with ${what}`, () => {
      const chart: Chart = readChart()
      const template = chart.templates.get(file) ?? ''
      expect(spoil(template)).to.not.equal(template)
      chart.templates.set(file, spoil(template))
      expect(inspectManifests(manifests(chart)).join('\n')).to.match(problem)
    })
  }

  for (const template of [
    '{{ .Values.nothing }}',
    '{{ toYaml .Values.a }}',
    '{{- if .Values.a }}',
    '{{- end }}',
    '{{.Values.a}}',
  ]) {
    it(`would be refused with ${template}`, () => {
      expect(() => render(template, { a: 1 })).to.throw()
    })
  }
})

function leaves(name: string, value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return [name]
  return Object.entries(value).flatMap(([inner, each]) => leaves(`${name}.${inner}`, each))
}
