import { crc32, deflateRawSync } from 'node:zlib'

interface Packed {
  readonly name: string
  readonly content: string | Buffer
  /** Written over the entry's own, for archives that lie. */
  readonly statedSize?: number
  readonly flags?: number
  readonly method?: number
  readonly checksum?: number
}

/** A ZIP archive, as Cloud Integration exports it. */
export function zip(entries: readonly Packed[]): Buffer {
  const locals: Buffer[] = []
  const centrals: Buffer[] = []
  let offset = 0
  for (const { name, content, statedSize, flags = 0, method = 8, checksum } of entries) {
    const raw = Buffer.from(content)
    const packed = method === 8 ? deflateRawSync(raw) : raw
    const common = Buffer.alloc(26)
    common.writeUInt16LE(20, 0)
    common.writeUInt16LE(flags, 2)
    common.writeUInt16LE(method, 4)
    common.writeUInt32LE(checksum ?? crc32(raw), 10)
    common.writeUInt32LE(packed.length, 14)
    common.writeUInt32LE(statedSize ?? raw.length, 18)
    common.writeUInt16LE(Buffer.byteLength(name), 22)
    const local = Buffer.concat([Buffer.from('PK\x03\x04'), common, Buffer.from(name), packed])
    const tail = Buffer.alloc(14)
    tail.writeUInt32LE(offset, 10)
    centrals.push(Buffer.concat([Buffer.from('PK\x01\x02\x14\x00'), common, tail, Buffer.from(name)]))
    locals.push(local)
    offset += local.length
  }
  const directory = Buffer.concat(centrals)
  const end = Buffer.alloc(22)
  end.write('PK\x05\x06', 'latin1')
  end.writeUInt16LE(entries.length, 8)
  end.writeUInt16LE(entries.length, 10)
  end.writeUInt32LE(directory.length, 12)
  end.writeUInt32LE(offset, 16)
  return Buffer.concat([...locals, directory, end])
}

type Properties = Readonly<Record<string, string>>

const extension = (properties: Properties): string =>
  `<bpmn2:extensionElements>${Object.entries(properties)
    .map(([key, value]) => `<ifl:property><key>${key}</key><value>${value}</value></ifl:property>`)
    .join('')}</bpmn2:extensionElements>`

export interface ModelParts {
  readonly sender?: Properties
  readonly senders?: readonly Properties[]
  /** Of the flow as a whole. */
  readonly settings?: Properties
  readonly receivers?: readonly Properties[]
  readonly steps?: readonly { readonly name: string; readonly element?: string; readonly activityType?: string }[]
  readonly prolog?: string
}

/** A model as the editor of Cloud Integration writes it, with the layout left out. */
export function model({ sender, senders, settings, receivers = [], steps = [], prolog = '' }: ModelParts): string {
  const from = (senders ?? (sender ? [sender] : [])).map(
    (properties, n) =>
      `<bpmn2:messageFlow id="In_${n}" name="in" sourceRef="Sender_1" targetRef="Start">${extension(properties)}</bpmn2:messageFlow>`,
  )
  const systems = receivers.map(
    ({ system = '' }, n) =>
      `<bpmn2:participant id="Receiver_${n}" ifl:type="EndpointRecevier" name="${system}"><bpmn2:extensionElements/></bpmn2:participant>`,
  )
  const flows = receivers.map(
    (properties, n) =>
      `<bpmn2:messageFlow id="Out_${n}" name="${properties.ComponentType}" sourceRef="Step_${n}" targetRef="Receiver_${n}">${extension({ direction: 'Receiver', ...properties })}</bpmn2:messageFlow>`,
  )
  const calls = steps.map(
    ({ name, element = 'callActivity', activityType }, n) =>
      `<bpmn2:${element} id="Step_${n}" name="${name}">${extension(activityType ? { activityType } : {})}</bpmn2:${element}>`,
  )
  return `<?xml version="1.0" encoding="UTF-8"?>${prolog}<bpmn2:definitions xmlns:bpmn2="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:ifl="http:///com.sap.ifl.model/Ifl.xsd" id="Definitions_1">
<bpmn2:collaboration id="Collaboration_1" name="Default Collaboration">${extension(settings ?? {})}
<bpmn2:participant id="Sender_1" ifl:type="EndpointSender" name="Shop"/>${systems.join('')}
<bpmn2:participant id="Process" ifl:type="IntegrationProcess" name="Integration Process" processRef="Process_1"/>
${from.join('')}${flows.join('')}
</bpmn2:collaboration>
<bpmn2:process id="Process_1" name="Integration Process">
<bpmn2:startEvent id="Start" name="Start"><bpmn2:outgoing>F1</bpmn2:outgoing></bpmn2:startEvent>${calls.join('')}
</bpmn2:process></bpmn2:definitions>`
}

export const HTTPS: Properties = {
  ComponentType: 'HTTPS',
  direction: 'Sender',
  urlPath: '/ERP/Orders',
  userRole: 'ESBMessaging.send',
  xsrfProtection: '1',
  maximumBodySize: '40',
  senderAuthType: 'RoleBased',
}

/** As the export writes it: lines of 72 bytes that go on behind a blank, the one of imports for pages. */
const manifest = (name: string): string =>
  [
    'Manifest-Version: 1.0',
    'Bundle-ManifestVersion: 2',
    `Bundle-Name: ${name}`,
    'Bundle-SymbolicName: Replicate_Orders; singleton:=true',
    `Import-Package: ${'com.sap.esb.application.services.cxf.interceptor,'.repeat(9)}org.x`,
    'SAP-BundleType: IntegrationFlow',
  ]
    .map((line) => line.replaceAll(/(.{71})(?=.)/g, '$1\r\n '))
    .join('\r\n')

/** The archive of one flow, in the layout of an export. */
export const flow = (parts: ModelParts, parameters = '', name = 'Replicate Orders'): Buffer =>
  zip([
    { name: 'META-INF/MANIFEST.MF', content: manifest(name) },
    { name: '.project', content: '<projectDescription/>' },
    { name: 'metainfo.prop', content: '#Store metainfo properties\ndescription\n' },
    { name: 'src/main/resources/parameters.prop', content: parameters },
    { name: 'src/main/resources/parameters.propdef', content: '<parameters><param_references/></parameters>' },
    { name: 'src/main/resources/script/map.groovy', content: 'def Message processData(Message m) { m }' },
    { name: 'src/main/resources/mapping/', content: '', method: 0 },
    { name: 'src/main/resources/scenarioflows/integrationflow/Orders.iflw', content: model(parts) },
  ])
