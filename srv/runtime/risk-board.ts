import type { MeshRisk } from '#domain/plan-mesh'
import type { Journal, Log } from '#domain/ports'
import { faultFields } from './fault-fields.ts'

/** Who reports about a source; each has a page of its own. */
const PAGES = ['mesh', 'pull'] as const
type Page = (typeof PAGES)[number]

const keyOf = (page: Page): string => `risks:${page}`

/**
 * What endangers the sources' events at their brokers. One instance looks, all show: what is known stands in the store.
 * Logged when it appears and when it goes, not with every look.
 */
export function riskBoard(journal: Pick<Journal, 'setSourceState'>, log: Log) {
  const known = new Map<string, readonly MeshRisk[]>()
  let writing = Promise.resolve()

  async function write(source: string, page: Page, risks: readonly MeshRisk[]): Promise<void> {
    try {
      await journal.setSourceState(source, keyOf(page), risks)
    } catch (thrown) {
      log.warn('the risks of a source could not be kept', { source, ...faultFields(thrown) })
    }
  }

  return {
    report(source: string, page: Page, risks: readonly MeshRisk[]): void {
      const key = `${page}:${source}`
      const before = known.get(key)
      if (JSON.stringify(before) === JSON.stringify(risks)) return
      known.set(key, risks)
      const textsBefore = new Set(before?.map(({ text }) => text))
      for (const { code, severity, text } of risks) {
        if (!textsBefore.has(text)) log[severity === 'alarm' ? 'error' : 'warn'](text, { source, risk: code, severity })
      }
      for (const { code, text } of before ?? []) {
        if (!risks.some((risk) => risk.text === text)) log.info('a risk is over', { source, risk: code })
      }
      writing = writing.then(() => write(source, page, risks))
    },
    /** Until everything reported is in the store. */
    written: () => writing,
  }
}

export type RiskBoard = ReturnType<typeof riskBoard>

/** What is known of a source's risks, alarms first; whichever instance found it. */
export async function risksOf(journal: Pick<Journal, 'sourceState'>, source: string): Promise<readonly MeshRisk[]> {
  const pages = await Promise.all(PAGES.map((page) => journal.sourceState(source, keyOf(page))))
  const risks = pages.flatMap((page) => (Array.isArray(page) ? (page as MeshRisk[]) : []))
  return [
    ...risks.filter(({ severity }) => severity === 'alarm'),
    ...risks.filter(({ severity }) => severity === 'risk'),
  ]
}
