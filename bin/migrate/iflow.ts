import { childrenNamed, parseXml, type XmlElement } from './xml.ts'

/** What an integration flow of SAP Cloud Integration consists of, as its model (`.iflw`, BPMN 2.0) says. */
export interface Flow {
  readonly name: string
  /** Of the flow as a whole: `allowedHeaderList`, … */
  readonly settings: Properties
  readonly senders: readonly Channel[]
  readonly receivers: readonly Channel[]
  readonly steps: readonly Step[]
}

/** An adapter between the flow and a system: its settings with externalized parameters filled in. */
export interface Channel {
  /** `HTTPS`, `HCIOData`, `HTTP`, `SOAP`, … */
  readonly adapter: string
  readonly system: string
  readonly settings: Properties
}

interface Step {
  readonly name: string
  /** As the model has it: `Script`, `Mapping`, `Splitter`, `exclusiveGateway`, … */
  readonly activity: string
}

type Properties = Readonly<Record<string, string>>

/** Nothing that a message passes through. */
const SILENT = ['extensionElements', 'sequenceFlow', 'incoming', 'outgoing', 'documentation', 'textAnnotation']
/** What a step is called in the model where it has no `activityType`. */
const UNTYPED = ['exclusiveGateway', 'parallelGateway', 'callActivity', 'serviceTask']

/**
 * @param name of the artifact
 * @param parameters externalized ones: value by name
 * @throws SluiceError `flow` where the model cannot be read
 */
export function readFlow(name: string, model: string, parameters: Properties): Flow {
  const root = parseXml(model)
  const collaborations = childrenNamed(root, 'collaboration')
  const systems = new Map(
    collaborations
      .flatMap((each) => childrenNamed(each, 'participant'))
      .map(({ attributes }) => [attributes.id ?? '', { type: attributes.type, name: attributes.name ?? '' }]),
  )
  const channels = collaborations
    .flatMap((each) => childrenNamed(each, 'messageFlow'))
    .map((flow) => {
      const settings = propertiesOf(flow, parameters)
      const { sourceRef = '', targetRef = '' } = flow.attributes
      // The direction is said by the property, or by which end the system stands at.
      const isSender = settings.direction ? settings.direction === 'Sender' : systems.has(sourceRef)
      const system = systems.get(isSender ? sourceRef : targetRef)?.name || settings.system || ''
      return { isSender, channel: { adapter: settings.ComponentType ?? '', system, settings } }
    })
  const processes = childrenNamed(root, 'process')
  return {
    name,
    settings: Object.assign({}, ...collaborations.map((each) => propertiesOf(each, parameters))),
    senders: channels.filter(({ isSender }) => isSender).map(({ channel }) => channel),
    receivers: channels.filter(({ isSender }) => !isSender).map(({ channel }) => channel),
    steps: processes.flatMap((process) => stepsIn(process, parameters)),
  }
}

function stepsIn(container: XmlElement, parameters: Properties): readonly Step[] {
  return container.children
    .filter(({ name }) => !SILENT.includes(name))
    .flatMap((element) => {
      const properties = propertiesOf(element, parameters)
      const activity = properties.activityType ?? (UNTYPED.includes(element.name) ? element.name : undefined)
      const own = activity ? [{ name: element.attributes.name ?? element.attributes.id ?? '', activity }] : []
      return element.name === 'subProcess' ? [...own, ...stepsIn(element, parameters)] : own
    })
}

function propertiesOf(element: XmlElement, parameters: Properties): Properties {
  const found = childrenNamed(element, 'extensionElements')
    .flatMap((each) => childrenNamed(each, 'property'))
    .map((property) => {
      const [key] = childrenNamed(property, 'key')
      const [value] = childrenNamed(property, 'value')
      return [key?.text ?? '', fill(value?.text ?? '', parameters)] as const
    })
  return Object.fromEntries(found)
}

/** `{{Name}}` → its value, once; a parameter without one stays as it is. */
const fill = (text: string, parameters: Properties): string =>
  text.replaceAll(/\{\{([^{}]{1,200})\}\}/g, (whole, name: string) =>
    Object.hasOwn(parameters, name.trim()) ? (parameters[name.trim()] ?? whole) : whole,
  )

/** `parameters.prop`, a file of Java properties: value by name. */
export function readParameters(text: string): Properties {
  const lines = text.split(/\r?\n/).filter((line) => !/^\s*([#!]|$)/.test(line))
  return Object.fromEntries(
    lines.flatMap((line) => {
      const [, key, value] = /^\s*((?:\\.|[^\\=:])+?)\s*[=:]\s*(.*)$/.exec(line) ?? []
      return key === undefined ? [] : [[unescapeProperty(key), unescapeProperty(value ?? '')]]
    }),
  )
}

const unescapeProperty = (text: string): string =>
  text.replaceAll(/\\(?:u([0-9a-fA-F]{4})|(.))/g, (_whole, code?: string, plain = '') =>
    code ? String.fromCharCode(Number.parseInt(code, 16)) : plain,
  )
