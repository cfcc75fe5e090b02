import { expect } from 'chai'
import { DEFAULT_RETRY } from '#domain/backoff'
import { sources } from '../../adapters/sources/index.ts'
import schema from '../../srv/config.schema.json' with { type: 'json' }
import { DOOR_DEFAULTS } from '../../srv/door.ts'
import { RETENTION_DEFAULTS } from '../../srv/runtime/retention.ts'
import { WORKER_DEFAULTS } from '../../srv/runtime/worker.ts'

interface Node {
  readonly description?: string
  readonly default?: unknown
  readonly $ref?: string
  readonly properties?: Readonly<Record<string, Node | true>>
}

/** Options of an event-mesh source that the wiring takes, and not its factory. */
const OF_THE_BROKER = ['consume', 'broker', 'consumers', 'idleMs', 'subscribe']

describe('config.schema.json, which editors show', () => {
  const resolved = ({ $ref = '', ...own }: Node): Node => ({
    ...(schema.definitions as Readonly<Record<string, Node>>)[$ref.replace('#/definitions/', '')],
    ...own,
  })

  /** Paths of settings that nothing explains. */
  function unexplained(node: unknown, path: string): string[] {
    if (typeof node !== 'object' || node === null) return []
    const { properties = {}, if: _condition, ...rest } = node as Node & { if?: unknown }
    return [
      ...Object.entries(properties).flatMap(([name, each]) => [
        ...(each === true || resolved(each).description ? [] : [`${path}.${name}`]),
        ...unexplained(each, `${path}.${name}`),
      ]),
      ...Object.entries(rest).flatMap(([name, each]) => unexplained(each, `${path}/${name}`)),
    ]
  }

  it('explains every setting', () => {
    expect(unexplained(schema, '')).to.deep.equal([])
  })

  it('lists the kinds of sources there are', () => {
    const kinds = Object.keys(sources)
    expect(schema.definitions.source.properties.kind.examples).to.have.members(kinds)
    expect(schema.definitions.source.allOf.map((each) => each.if.properties.kind.const)).to.have.members(kinds)
  })

  for (const branch of schema.definitions.source.allOf) {
    const kind = branch.if.properties.kind.const
    it(`lists the options that kind ${kind} takes`, () => {
      const factory = sources[kind as keyof typeof sources] as (options: object) => unknown
      let refusal = ''
      try {
        factory({ nonsense: 1 })
      } catch (thrown) {
        refusal = String(thrown)
      }
      const [, known = ''] = /use one of: (.*)\.$/.exec(refusal) ?? []
      const listed = Object.keys(branch.then.properties).filter((name) => !OF_THE_BROKER.includes(name))
      expect(listed).to.have.members(known.split(', '))
    })
  }

  it('tells the defaults that the code has', () => {
    const { limits, worker, retention } = schema.properties
    const { retry } = schema.definitions.subscription.properties
    const defaultsOf = ({ properties }: { properties: object }) =>
      Object.fromEntries(
        Object.entries(properties as Record<string, Node>).flatMap(([name, { default: value }]) =>
          value === undefined ? [] : [[name, value]],
        ),
      )
    expect(defaultsOf(limits)).to.deep.equal(DOOR_DEFAULTS)
    expect(defaultsOf(worker)).to.deep.equal(WORKER_DEFAULTS)
    expect(defaultsOf(retention)).to.deep.equal(RETENTION_DEFAULTS)
    expect(defaultsOf(retry)).to.deep.equal(DEFAULT_RETRY)
  })
})
