import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { expect } from 'chai'
import { readConfig } from '../../srv/config.ts'
import { type CapApp, capApp } from '../doors/helpers/cap-app.ts'
import { endAll, here, sluice } from './helpers/cli.ts'
import { flow, HTTPS, model, zip } from './helpers/iflow.ts'

interface Report {
  readonly from: string
  readonly config: {
    sources: Record<string, object>
    targets?: Record<string, object>
    subscriptions: Record<string, { on: string[] }>
  }
  readonly variables: string[]
  readonly open: { where: string; step: string; kind: string; hint: string }[]
  readonly files: string[]
  readonly folder: string | null
}

const ODATA = {
  ComponentType: 'HCIOData',
  MessageProtocol: 'OData V2',
  address: '{{S4_URL}}',
  // biome-ignore lint/suspicious/noTemplateCurlyInString: an expression of the flow's own
  resourcePath: "A_SalesOrder(SalesOrder='${header.id}')",
  operation: 'Create(POST)',
  authenticationMethod: 'Basic',
  alias: 'S4_USER',
  proxyType: 'default',
  system: 'S4HANA',
}
const ORDERS = {
  sender: HTTPS,
  receivers: [ODATA],
  steps: [
    { name: 'Map to &quot;order&quot; */ process.exit(1)', activityType: 'Script' },
    { name: 'By country', element: 'exclusiveGateway' },
    { name: 'Items', activityType: 'Splitter' },
    { name: 'Keep', activityType: 'DBstorage' },
    { name: 'Call S/4', element: 'serviceTask', activityType: 'ExternalCall' },
    { name: 'Novelty', activityType: 'SomethingNew' },
  ],
}
const PARAMETERS =
  '#a comment\nS4_URL=https\\://user\\:geheim@s4.example/sap/opu/odata/sap/API_SALES_ORDER_SRV?apikey\\=geheim\nSecret=geheim\n'

describe('sluice migrate', () => {
  let folder: string
  let app: CapApp | undefined
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'sluice-migrate-'))
  })
  afterEach(async () => {
    endAll()
    await app?.cleanUp()
    app = undefined
    rmSync(folder, { recursive: true, force: true })
  })

  const put = (path: string, content: string | Buffer): void => {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), content)
  }
  const migrate = (...args: string[]) => here(['migrate', ...args], { cwd: folder })
  const reportOf = async (...args: string[]): Promise<Report> => {
    const { code, stdout, stderr } = await migrate(...args, '--json')
    expect(code, stderr).to.equal(0)
    const report = JSON.parse(stdout) as Report
    // Whatever is written must be taken by the gateway's own reading.
    readConfig(report.config, Object.fromEntries(report.variables.map((name) => [name, 'https://example.com'])))
    return report
  }

  describe('of an iFlow', () => {
    it('writes the source, the target and the subscription of a flow, and lists the steps', async () => {
      put('orders.zip', flow(ORDERS, PARAMETERS))
      const { config, variables, open, folder: written } = await reportOf('orders.zip')
      expect(config).to.deep.equal({
        sources: {
          'erp-orders': {
            kind: 'http',
            path: 'erp/orders',
            auth: { kind: 'basic', users: { caller: 'env:ERP_ORDERS_PASSWORD' } },
            maxBytes: 40 * 1024 * 1024,
          },
        },
        targets: {
          s4hana: {
            kind: 'odata-v2',
            url: 'https://s4.example/sap/opu/odata/sap/API_SALES_ORDER_SRV',
            auth: { kind: 'basic', user: 'env:S4HANA_USER', password: 'env:S4HANA_PASSWORD' },
          },
        },
        subscriptions: {
          'erp-orders': { on: ['*'], sources: ['erp-orders'], order: 'park', handler: 'srv/handlers/erp-orders' },
        },
      })
      expect(variables).to.deep.equal(['ERP_ORDERS_PASSWORD', 'S4HANA_PASSWORD', 'S4HANA_USER'])
      expect(open.map(({ where, kind }) => `${where}: ${kind}`)).to.deep.equal([
        'Replicate Orders: sender HTTPS',
        'Replicate Orders: receiver HCIOData',
        'Replicate Orders: Script',
        'Replicate Orders: exclusiveGateway',
        'Replicate Orders: Splitter',
        'Replicate Orders: DBstorage',
        'Replicate Orders: SomethingNew',
      ])
      expect(open[1]?.hint).to.include('Add A_SalesOrder to targets.s4hana.entities')
      expect(open.find(({ step }) => step === 'Items')?.hint).to.include('"split"')
      expect(written).to.equal(null)
      expect(readdirSync(folder)).to.deep.equal(['orders.zip'])
    })

    it('writes no secret that the archive has, and nothing of a name as code', async () => {
      put('orders.zip', flow(ORDERS, PARAMETERS))
      const { stdout, code } = await migrate('orders.zip', '--write', 'inbox')
      expect(code).to.equal(0)
      const files = readdirSync(join(folder, 'inbox'), { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'utf8'))
      expect(files.join() + stdout).not.to.include('geheim')
      const handler = readFileSync(join(folder, 'inbox/srv/handlers/erp-orders.js'), 'utf8')
      const code2 = handler.split('\n').filter((line) => !line.startsWith('//'))
      expect(handler).to.include('process.exit(1)')
      expect(code2.join('\n')).not.to.include('process.exit')
      expect(readFileSync(join(folder, 'inbox/.env.example'), 'utf8')).to.match(/^ERP_ORDERS_PASSWORD=$/m)
    })

    const channels: [string, Record<string, string>, object][] = [
      ['CSRF off', { xsrfProtection: '0' }, { csrf: false }],
      ['a wildcard', { urlPath: '/Erp/*' }, { path: 'erp/*' }],
      ['an address with /http', { urlPath: '/http/erp/x' }, { path: 'erp/x' }],
      ['an externalized address', { urlPath: '/{{Where}}/x' }, { path: 'there/x' }],
      [
        'a client certificate',
        { senderAuthType: 'ClientCertificate' },
        {
          auth: {
            kind: 'certificate',
            from: 'cloud-foundry',
            subject: 'env:ERP_ORDERS_SUBJECT',
            issuer: 'env:ERP_ORDERS_ISSUER',
          },
        },
      ],
    ]
    for (const [what, settings, expected] of channels) {
      it(`keeps ${what} of the channel`, async () => {
        put('a.zip', flow({ sender: { ...HTTPS, ...settings } }, 'Where=there\n'))
        const { config } = await reportOf('a.zip')
        expect(Object.values(config.sources)[0]).to.deep.include(expected)
      })
    }

    const senders: [string, Record<string, string>, object, RegExp][] = [
      [
        'SOAP',
        { ComponentType: 'SOAP', address: '/Erp/Orders', authenticationMethod: 'RoleBased' },
        { kind: 'http', path: 'erp/orders', csrf: false },
        /from \/cxf\/erp\/orders to \/http\/erp\/orders/,
      ],
      ['IDoc', { ComponentType: 'IDOC', address: 'idocs' }, { kind: 'http', path: 'idocs', csrf: false }, /text\/xml/],
      [
        'Event Mesh by AMQP',
        { ComponentType: 'AMQP', system: 'EventMesh', host: '{{HOST}}', destinationName: 'queue:default/my.app/1/s4' },
        { kind: 'event-mesh', queue: 'default/my.app/1/s4', consume: 'pull' },
        /Undeploy the flow/,
      ],
      [
        'Event Mesh by AMQP from a queue of run time',
        {
          ComponentType: 'AMQP',
          host: 'enterprise-messaging-x.cfapps.eu10.hana.ondemand.com',
          destinationName: '{{Q}}',
        },
        { kind: 'event-mesh', queue: 'env:MESH_QUEUE', consume: 'pull' },
        /httprest/,
      ],
      [
        'Advanced Event Mesh',
        { ComponentType: 'AdvancedEventMesh', consumerMode: 'GUARANTEED', queueName: 'orders', topicSubscriptions: '' },
        { kind: 'advanced-event-mesh', queue: 'orders' },
        /^The broker pushes here: create a REST delivery point/m,
      ],
      [
        'Advanced Event Mesh that listens to topics',
        {
          ComponentType: 'AdvancedEventMesh',
          consumerMode: 'DIRECT',
          queueName: '',
          topicSubscriptions:
            "&lt;row&gt;&lt;cell id='listObjectValue'&gt;shop/orders/%3E&lt;/cell&gt;&lt;/row&gt;&lt;row&gt;&lt;cell id='listObjectValue'&gt;shop/returns/*&lt;/cell&gt;&lt;/row&gt;",
        },
        { kind: 'advanced-event-mesh', queue: 'env:MESH_QUEUE' },
        /no queue but topics \(shop\/orders\/%3E, shop\/returns\/\*\): create a queue/,
      ],
      [
        'Advanced Event Mesh by a durable topic endpoint',
        { ComponentType: 'AdvancedEventMesh', queueName: '', topicEndpointName: 'e', dteTopicName: 'shop/orders' },
        { kind: 'advanced-event-mesh', queue: 'env:MESH_QUEUE' },
        /no queue but topics \(shop\/orders\)/,
      ],
      [
        'Advanced Event Mesh by the adapter of Solace',
        { ComponentType: 'SolacePubSubPlus', Vendor: 'Solace', queueName: 'orders' },
        { kind: 'advanced-event-mesh', queue: 'orders' },
        /REST delivery point/,
      ],
      ['no password', { senderAuthType: 'None' }, { kind: 'http' }, /authentication is None/],
      ['another role', { userRole: 'Shop.send' }, { kind: 'http' }, /with the role Shop\.send/],
    ]
    for (const [what, settings, expected, hint] of senders) {
      it(`takes a sender with ${what}`, async () => {
        put('a.zip', flow({ sender: { ...HTTPS, ...settings } }))
        const { config, open } = await reportOf('a.zip')
        expect(Object.values(config.sources)[0]).to.deep.include(expected)
        expect(open.map((one) => one.hint).join('\n')).to.match(hint)
      })
    }

    it('leaves the AMQP of another broker to you', async () => {
      const sender = { ComponentType: 'AMQP', direction: 'Sender', host: 'mine.servicebus.windows.net', system: 'Bus' }
      put('a.zip', flow({ sender }))
      expect((await migrate('a.zip')).stderr).to.match(/Nothing here can be a source .*sender AMQP/)
    })

    it('gives a flow with several senders one handler for all of them', async () => {
      const senders = [HTTPS, { ...HTTPS, urlPath: '/erp/returns' }, { ...HTTPS, ComponentType: 'SFTP' }]
      put('a.zip', flow({ senders }))
      const { config, open, files } = await reportOf('a.zip')
      expect(Object.keys(config.sources)).to.deep.equal(['erp-orders', 'erp-returns'])
      expect(config.subscriptions).to.deep.equal({
        'erp-orders': {
          on: ['*'],
          sources: ['erp-orders', 'erp-returns'],
          order: 'park',
          handler: 'srv/handlers/erp-orders',
        },
      })
      expect(files.filter((file) => file.startsWith('srv/handlers/'))).to.have.length(1)
      expect(open.at(-1)).to.include({ kind: 'sender SFTP' })
    })

    it('keeps the headers that the flow lets in, and none that proves somebody', async () => {
      put(
        'a.zip',
        flow({ sender: HTTPS, settings: { allowedHeaderList: 'X-Shop|Authorization|x-*|SAP_Sender|X-Shop' } }),
      )
      const { config } = await reportOf('a.zip')
      expect(config.sources['erp-orders']).to.deep.include({ keep: ['X-Shop'] })
    })

    const receivers: [string, Record<string, string>, object | undefined][] = [
      ['on premise', { proxyType: 'sapcc' }, { kind: 'odata-v2', destination: 's4hana' }],
      ['with OData V4', { MessageProtocol: 'OData V4' }, { kind: 'odata-v4' }],
      // biome-ignore lint/suspicious/noTemplateCurlyInString: an expression of the flow's own
      ['with an address of run time', { address: 'https://${header.host}/x' }, { url: 'env:S4HANA_URL' }],
      [
        'by HTTP to an OData service',
        { ComponentType: 'HTTP', address: '', httpAddressWithoutQuery: 'https://s4.example/sap/opu/odata4/x' },
        { kind: 'odata-v4', url: 'https://s4.example/sap/opu/odata4/x' },
      ],
      ['by HTTP to anything else', { ComponentType: 'HTTP', address: 'https://other.example/x' }, undefined],
      [
        'of Event Mesh by AMQP',
        { ComponentType: 'AMQP', address: '', host: '{{EMHOST}}', destinationName: 'topic:my/app/1/orders' },
        {
          kind: 'event-mesh',
          broker: {
            url: 'env:S4HANA_URL',
            tokenUrl: 'env:S4HANA_TOKEN_URL',
            clientId: 'env:S4HANA_CLIENT_ID',
            clientSecret: 'env:S4HANA_CLIENT_SECRET',
            namespace: 'env:S4HANA_NAMESPACE',
          },
        },
      ],
    ]
    for (const [what, settings, expected] of receivers) {
      it(`makes of a receiver ${what} ${expected ? 'a target' : 'something to do'}`, async () => {
        put('a.zip', flow({ sender: HTTPS, receivers: [{ ...ODATA, ...settings }] }, PARAMETERS))
        const { config, open } = await reportOf('a.zip')
        if (expected) expect(config.targets?.s4hana).to.deep.include(expected)
        else {
          expect(config.targets).to.equal(undefined)
          expect(open.at(-1)?.hint).to.include('https://other.example/x')
        }
      })
    }

    it('says how what went to Event Mesh is published, and does not write to queues', async () => {
      const amqp = { ComponentType: 'AMQP', system: 'Mesh', host: 'x.enterprise-messaging.example' }
      const to = async (destinationName: string) => {
        put('a.zip', flow({ sender: HTTPS, receivers: [{ ...amqp, destinationName }] }))
        return (await reportOf('a.zip')).open.at(-1)?.hint
      }
      expect(await to('topic:my/app/1/orders')).to.match(
        /targets\.mesh\.publish\(event, { topic: 'my\/app\/1\/orders' }\)/,
      )
      expect(await to('{{Topic}}')).to.include('targets.mesh.publish(event, { topic })')
      expect(await to('queue:my/app/1/q')).to.include('subscribe it to a topic')
    })

    it('keeps apart what is read from queues that nobody knows', async () => {
      const mesh = { ComponentType: 'AdvancedEventMesh', direction: 'Sender', queueName: '' }
      put('a.zip', flow({ senders: [mesh, { ...mesh, queueName: '{{Q}}' }, { ...mesh, queueName: '{{Q}}' }] }))
      const { config } = await reportOf('a.zip')
      expect(Object.values(config.sources).map((source) => (source as { queue?: string }).queue)).to.deep.equal([
        'env:MESH_QUEUE',
        'env:MESH_2_QUEUE',
        'env:MESH_3_QUEUE',
      ])
    })

    it('makes of a flow that Event Mesh calls a source for that queue', async () => {
      put('orders.zip', flow({ sender: HTTPS }))
      const { config } = await reportOf('orders.zip', '--queue', 'default/my.app/1/s4')
      expect(config.sources['erp-orders']).to.deep.equal({
        kind: 'event-mesh',
        queue: 'default/my.app/1/s4',
        auth: { kind: 'basic', users: { caller: 'env:ERP_ORDERS_PASSWORD' } },
      })
    })

    it('reads a package with several flows, two at one path included', async () => {
      const [one, two] = [flow({ sender: HTTPS }, '', 'One'), flow({ sender: HTTPS }, '', 'Two')]
      const timer = flow(
        { steps: [{ name: 'Nightly', element: 'startEvent', activityType: 'StartTimerEvent' }] },
        '',
        'Three',
      )
      put(
        'package.zip',
        zip([
          { name: 'resources.cnt', content: 'e30=' },
          { name: '0a1b_content', content: one },
          { name: '0a1c_content', content: two, method: 0 },
          { name: '0a1d_content', content: timer },
          { name: '0a1e_content', content: 'a value mapping' },
        ]),
      )
      const { config, open } = await reportOf('package.zip')
      expect(Object.keys(config.sources), 'one source per address').to.deep.equal(['erp-orders'])
      expect(open.find(({ where, hint }) => where === 'Two' && hint.includes('erp/orders'))).not.to.equal(undefined)
      expect(open.some(({ where, step }) => where === 'Three' && step === 'Nightly')).to.equal(true)
    })

    it('says what a flow without an HTTPS sender is called by', async () => {
      put('a.zip', flow({ sender: { ComponentType: 'SFTP', direction: 'Sender' } }))
      const { code, stderr } = await migrate('a.zip')
      expect(code).to.equal(1)
      expect(stderr).to.match(/Nothing here can be a source \(Replicate Orders: sender SFTP Shop\)/)
    })

    const MODEL = 'src/main/resources/scenarioflows/integrationflow/a.iflw'
    const entity = '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>'
    const good = flow({ sender: HTTPS })
    const bad: [string, Buffer, number, RegExp][] = [
      ['a file that is none', Buffer.from('hello'), 2, /is no archive/],
      ['an archive without a flow', zip([{ name: 'a.txt', content: 'a' }]), 2, /holds no integration flow/],
      ['an archive that is cut off', good.subarray(0, good.length - 30), 1, /is cut off/],
      ['an archive that lost its middle', Buffer.concat([good.subarray(0, 40), good.subarray(90)]), 1, /damaged/],
      [
        'an entry that climbs out of its folder',
        zip([{ name: `../../${MODEL}`, content: model({ sender: HTTPS }) }]),
        1,
        /outside of its own folder/,
      ],
      ['an encrypted entry', zip([{ name: MODEL, content: 'x', flags: 1 }]), 1, /is encrypted/],
      ['a compression of another kind', zip([{ name: MODEL, content: 'x', method: 12 }]), 1, /compressed in a way/],
      ['a wrong checksum', zip([{ name: MODEL, content: 'x', checksum: 1 }]), 1, /damaged entry/],
      [
        'a bomb that states a small size',
        zip([{ name: MODEL, content: Buffer.alloc(9 * 1024 * 1024), statedSize: 100 }]),
        1,
        /more than a flow can have/,
      ],
      [
        'many that are large together',
        zip(
          Array.from({ length: 12 }, (_unused, n) => ({
            name: `${n}_content`,
            content: Buffer.alloc(7 * 1024 * 1024),
          })),
        ),
        1,
        /more than a flow can have/,
      ],
      [
        'too many entries',
        zip(Array.from({ length: 5_001 }, (_unused, n) => ({ name: `${n}`, content: '', method: 0 }))),
        1,
        /5001 entries/,
      ],
      [
        'a document type',
        zip([{ name: MODEL, content: model({ sender: HTTPS, prolog: entity }) }]),
        1,
        /declares a document type/,
      ],
      ['a model that is no XML', zip([{ name: MODEL, content: '<a><b></a>' }]), 1, /not well-formed/],
      [
        'a model too deep',
        zip([{ name: MODEL, content: '<a>'.repeat(5_000) + '</a>'.repeat(5_000) }]),
        1,
        /cannot be read as XML/,
      ],
    ]
    for (const [what, bytes, expected, message] of bad) {
      it(`refuses ${what}`, async () => {
        put('bad.zip', bytes)
        const { code, stderr } = await migrate('bad.zip', '--write', 'out')
        expect(stderr).to.match(message)
        expect(code).to.equal(expected)
        expect(existsSync(join(folder, 'out'))).to.equal(false)
      })
    }
  })

  describe('of a CAP app', () => {
    const app1 = (messaging: object, rest: object = {}) =>
      put('package.json', JSON.stringify({ name: 'app', cds: { requires: { messaging } }, ...rest }))

    it('writes the source of the queue and a subscription for each topic that is taken', async () => {
      app1({
        kind: 'enterprise-messaging',
        queue: { name: 'default/my.app/1/s4' },
        subscribePrefix: '+/+/+/ce/',
        credentials: { secret: 'geheim' },
      })
      put(
        'srv/orders.js',
        `/* messaging.on('commented/out', …) */
module.exports = async srv => {
  const messaging = await cds.connect.to('messaging')
  // messaging.on('also/out', msg => {})
  messaging.on('sap/s4/beh/salesorder/v1/SalesOrder/Changed/v1', async msg => {})
  messaging.on(['my/ns/a/b', "my/ns/*"], handle)
  messaging.on(topic, handle)
  srv.on('READ', 'Orders', handle)
}`,
      )
      put(
        'srv/more.ts',
        "(await cds.connect.to('messaging')).on('+/+/x/y', handle)\nother.on('no/messaging', handle)\n",
      )
      put('node_modules/x/index.js', "messaging.on('of/a/library', handle)")
      put('gen/srv/orders.js', "messaging.on('built/x', handle)")
      put('.elsewhere/x.js', "messaging.on('linked/x', handle)")
      symlinkSync(join(folder, '.elsewhere'), join(folder, 'srv/link'))
      const { config, open, from } = await reportOf('.')
      expect(from).to.equal('cap')
      expect(config.sources).to.deep.equal({
        messaging: {
          kind: 'event-mesh',
          queue: 'default/my.app/1/s4',
          auth: { kind: 'basic', users: { mesh: 'env:MESSAGING_PASSWORD' } },
        },
      })
      expect(Object.values(config.subscriptions).flatMap(({ on }) => on)).to.deep.equal([
        'sap.s4.beh.salesorder.v1.SalesOrder.Changed.v1',
        'my.ns.a.b',
        'my.ns.*',
      ])
      expect(open.filter(({ kind }) => kind === 'handler').map(({ where, step }) => [where, step])).to.deep.equal([
        ['srv/more.ts:1', 'on(+/+/x/y)'],
        ['srv/orders.js:7', 'on(…)'],
      ])
      expect(open.map(({ hint }) => hint).join()).to.include('+/+/+/ce/')
      expect(JSON.stringify({ config, open })).not.to.include('geheim')
    })

    const settings: [string, () => void, object][] = [
      [
        'a profile within the service',
        () =>
          app1({ kind: 'file-based-messaging', '[production]': { kind: 'event-mesh', queue: { name: 'a/b/c/q' } } }),
        { kind: 'event-mesh', queue: 'a/b/c/q' },
      ],
      [
        'a profile above',
        () =>
          put(
            'package.json',
            JSON.stringify({ cds: { '[hybrid]': { requires: { messaging: 'enterprise-messaging-shared' } } } }),
          ),
        { kind: 'event-mesh', queue: 'env:MESSAGING_QUEUE' },
      ],
      [
        '.cdsrc.json, and a queue with $namespace',
        () => {
          put('package.json', '{}')
          put(
            '.cdsrc.json',
            JSON.stringify({ requires: { messaging: { kind: 'event-mesh', queue: { name: '$namespace/q' } } } }),
          )
        },
        { kind: 'event-mesh', queue: 'env:MESSAGING_QUEUE' },
      ],
      [
        '.cdsrc.yaml',
        () => {
          put('package.json', '{}')
          put(
            '.cdsrc.yaml',
            'requires:\n  messaging:\n    "[production]":\n      kind: event-mesh\n      queue: { name: a/b/c/q }\n',
          )
        },
        { kind: 'event-mesh', queue: 'a/b/c/q' },
      ],
      [
        'a namespace from a binding',
        () => {
          app1({ kind: 'event-mesh', queue: { name: '$namespace/q' } })
          const credentials = { namespace: 'of/a/binding', uaa: { clientsecret: 'geheim' } }
          put('default-env.json', JSON.stringify({ VCAP_SERVICES: { em: [{ label: 'event-mesh', credentials }] } }))
          put('event-mesh.json', '{"namespace":"of/the/descriptor"}')
        },
        { kind: 'event-mesh', queue: 'of/a/binding/q' },
      ],
      [
        'a namespace from the descriptor',
        () => {
          app1({ kind: 'enterprise-messaging', queue: { name: '$namespace/q' } })
          put('event-mesh.json', '{"emname":"e","namespace":"default/my.app/1"}')
        },
        { kind: 'event-mesh', queue: 'default/my.app/1/q' },
      ],
      [
        'an app whose callers come with XSUAA',
        () => {
          app1({ kind: 'enterprise-messaging', queue: { name: 'q' } })
          put('.cdsrc.json', '{"requires":{"[production]":{"auth":"xsuaa"}}}')
        },
        { kind: 'event-mesh', auth: { kind: 'xsuaa', scope: 'emcallback' } },
      ],
      [
        'messaging by AMQP',
        () => app1({ kind: 'enterprise-messaging-amqp', queue: { name: 'a/b/c/q' } }),
        { kind: 'event-mesh', queue: 'a/b/c/q', consume: 'pull' },
      ],
      ['Event Hub', () => app1({ kind: 'event-broker' }), { kind: 'event-hub' }],
    ]
    for (const [what, write, expected] of settings) {
      it(`reads ${what}`, async () => {
        write()
        const { config } = await reportOf('.')
        expect(config.sources.messaging).to.deep.include(expected)
      })
    }

    const mistakes: [string, () => void, string[], number, RegExp][] = [
      ['a folder without package.json', () => undefined, ['.'], 2, /has no package\.json/],
      ['a path that is not there', () => undefined, ['nowhere'], 2, /There is no .*nowhere/],
      [
        'broken YAML, of which it says nothing',
        () => {
          put('package.json', '{}')
          put('.cdsrc.yaml', 'requires: {geheim')
        },
        ['.'],
        2,
        /^\S*\.cdsrc\.yaml is no YAML\. Mend it first\.\n$/,
      ],
      ['a broken package.json', () => put('package.json', '{'), ['.'], 2, /is no JSON/],
      ['an app without messaging', () => put('package.json', '{}'), ['.'], 1, /Nothing here can be a source/],
      ['--queue for an app', () => app1({ kind: 'event-mesh' }), ['.', '--queue', 'q'], 2, /--queue belongs to a flow/],
      [
        'a folder that is not empty',
        () => {
          app1({ kind: 'event-mesh' })
          put('out/mine.txt', '')
        },
        ['.', '--write', 'out'],
        2,
        /out is not empty: mine\.txt/,
      ],
    ]
    for (const [what, write, args, expected, message] of mistakes) {
      it(`refuses ${what}`, async () => {
        write()
        const { code, stderr } = await migrate(...args)
        expect(stderr).to.match(message)
        expect(code).to.equal(expected)
      })
    }

    it('prints only with --dry-run, whatever else is said', async () => {
      app1({ kind: 'event-mesh', queue: { name: 'q' } })
      const { stdout, code } = await migrate('.', '--write', 'out', '--dry-run')
      expect(code).to.equal(0)
      expect(stdout).to.include('Nothing was written')
      expect(existsSync(join(folder, 'out'))).to.equal(false)
    })
  })

  it('writes a project that starts, takes a call at the flow’s address, and keeps it for its handler', async function () {
    this.timeout(180_000)
    put('orders.zip', flow({ ...ORDERS, sender: { ...HTTPS, xsrfProtection: '0' } }, PARAMETERS))
    expect((await sluice(['migrate', 'orders.zip', '--write', 'inbox'], { cwd: folder })).code).to.equal(0)
    const read = (file: string) => readFileSync(join(folder, 'inbox', file), 'utf8')
    app = await capApp()
    for (const file of ['package.json', 'srv/sluice.cds', 'srv/handlers/erp-orders.js']) app.write(file, read(file))
    const env = { ERP_ORDERS_PASSWORD: 'of the shop', S4HANA_USER: 'u', S4HANA_PASSWORD: 'p' }
    const running = await app.start({ args: [], env })
    const call = (password: string) =>
      fetch(`${running.url}/http/ERP/orders`, {
        method: 'POST',
        body: '<order/>',
        headers: {
          authorization: `Basic ${Buffer.from(`caller:${password}`).toString('base64')}`,
          'content-type': 'application/xml',
        },
      })
    expect((await call('of somebody else')).status).to.equal(401)
    expect((await call('of the shop')).status).to.equal(200)
    const authorization = `Basic ${Buffer.from('operator:').toString('base64')}`
    for (;;) {
      const answer = await fetch(`${running.url}/odata/v4/cockpit/Dispatches?$expand=history`, {
        headers: { authorization },
      })
      const { value } = (await answer.json()) as { value: { status: string }[] }
      if (value[0] === undefined || ['waiting', 'leased'].includes(value[0].status)) continue
      expect(value.map(({ status }) => status)).to.deep.equal(['dead'])
      break
    }
  })
})
