import type { CpuInfo } from 'node:os'
import sapCds from '@sap/cds/package.json' with { type: 'json' }
import sluice from 'cap-sluice/package.json' with { type: 'json' }
import type { Measure } from './run.ts'
import { median } from './statistics.ts'

export const describe = (cpus: readonly CpuInfo[], memoryBytes: number): string =>
  `${cpus.length} × ${cpus[0]?.model.trim() ?? 'unknown CPU'}, ${Math.round(memoryBytes / 2 ** 30)} GB`

export const versions = (): string =>
  `cap-sluice ${sluice.version}, Node ${process.versions.node}, SQLite ${process.versions.sqlite}, @sap/cds ${sapCds.version}`

/** A Markdown table, so that it can stand in docs/benchmarks.md as it is. */
export function toTable(measures: readonly Measure[]): string {
  const rows = measures.map((measure) => [
    measure.name,
    figure(median(measure.values)),
    measure.unit,
    verdict(measure),
    runs(measure),
  ])
  const table = [['measure', 'median', 'unit', 'against the bar', 'runs'], ...rows]
  const widths = table[0]?.map((_, column) => Math.max(...table.map((row) => row[column]?.length ?? 0))) ?? []
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`
  const [head = [], ...body] = table
  return [line(head), `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`, ...body.map(line)].join('\n')
}

function verdict({ ratio, atMost, values }: Measure): string {
  if (ratio) return `${ratio.value.toFixed(2)} of ${ratio.to} (bar ${ratio.bar}): ${passed(ratio.value >= ratio.bar)}`
  if (atMost !== undefined) return `at most ${atMost}: ${passed(median(values) <= atMost)}`
  return ''
}

const passed = (yes: boolean): string => (yes ? 'holds' : 'MISSED')

const runs = ({ values }: Measure): string => (values.length > 1 ? values.map(figure).join(' ') : '')

const figure = (value: number): string =>
  value >= 1_000
    ? Math.round(value).toLocaleString('en-US')
    : value >= 100
      ? value.toFixed(0)
      : value.toFixed(value < 10 ? 2 : 1)
