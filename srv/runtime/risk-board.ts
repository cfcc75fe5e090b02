import type { MeshRisk, SourceRisk } from '#domain/plan-mesh'
import type { Journal, Log } from '#domain/ports'
import { faultFields } from './fault-fields.ts'

/** Who reports about a source: the watch of its queue and webhook, or its consumer. Each has a page of its own. */
export type Page = 'mesh' | 'pull'

const keyOf = (page: Page): string => `risks:${page}`

/**
 * What endangers the sources' events at their brokers. One instance looks, all show: what is known stands in the store.
 * Logged when it appears and when it goes, not with every look.
 */
export function riskBoard(journal: Pick<Journal, 'sourceState' | 'setSourceState'>, log: Log) {
  const told = new Map<string, readonly MeshRisk[]>()
  let writing = Promise.resolve()

  function tell(source: string, page: Page, risks: readonly MeshRisk[]): void {
    const key = `${page}:${source}`
    const before = told.get(key) ?? []
    told.set(key, risks)
    for (const { code, severity, text } of risks) {
      if (before.some((risk) => risk.text === text)) continue
      log[severity === 'alarm' ? 'error' : 'warn'](text, { source, risk: code, severity })
    }
    for (const { code, text } of before) {
      if (!risks.some((risk) => risk.text === text)) log.info('a risk is over', { source, risk: code })
    }
  }

  /** Compared with the store and not with what was said here last: another instance may have looked since. */
  async function keep(source: string, page: Page, risks: readonly MeshRisk[]): Promise<void> {
    try {
      const kept = await pageOf(journal, source, page)
      if (JSON.stringify(kept) !== JSON.stringify(risks)) await journal.setSourceState(source, keyOf(page), risks)
    } catch (thrown) {
      log.warn('the risks of a source could not be kept', { source, ...faultFields(thrown) })
    }
  }

  return {
    report(source: string, page: Page, risks: readonly MeshRisk[]): Promise<void> {
      tell(source, page, risks)
      writing = writing.then(() => keep(source, page, risks))
      return writing
    },
    /** Until everything reported is in the store. */
    written: () => writing,
  }
}

export type RiskBoard = ReturnType<typeof riskBoard>

async function pageOf(journal: Pick<Journal, 'sourceState'>, source: string, page: Page): Promise<readonly MeshRisk[]> {
  const risks = await journal.sourceState(source, keyOf(page))
  return Array.isArray(risks) ? (risks as MeshRisk[]) : []
}

/** What is known of the risks on these pages, alarms first; whichever instance found it. */
export async function readRisks(
  journal: Pick<Journal, 'sourceState'>,
  pages: readonly (readonly [source: string, page: Page])[],
): Promise<readonly SourceRisk[]> {
  const read = pages.map(async ([source, page]) =>
    (await pageOf(journal, source, page)).map((risk) => ({ ...risk, source })),
  )
  const risks = (await Promise.all(read)).flat()
  return [
    ...risks.filter(({ severity }) => severity === 'alarm'),
    ...risks.filter(({ severity }) => severity === 'risk'),
  ]
}
