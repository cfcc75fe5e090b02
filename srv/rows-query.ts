import type { Request } from '@sap/cds'
import { SluiceError } from '#domain/errors'

type Row = Readonly<Record<string, string | null>>

/** A token of a CQN expression. https://cap.cloud.sap/docs/cds/cxn */
type Token =
  | string
  | {
      readonly ref?: readonly string[]
      readonly val?: unknown
      readonly xpr?: readonly Token[]
      readonly list?: readonly Token[]
      readonly func?: string
      readonly args?: readonly Token[]
    }

interface Select {
  readonly from: { readonly ref?: readonly (string | { readonly where?: readonly Token[] })[] }
  readonly one?: boolean
  readonly columns?: readonly { readonly func?: string; readonly as?: string }[]
  readonly where?: readonly Token[]
  readonly orderBy?: readonly { readonly ref?: readonly string[]; readonly sort?: 'asc' | 'desc' }[]
  readonly limit?: { readonly rows?: { readonly val: number }; readonly offset?: { readonly val: number } }
}

/**
 * Answers a query from rows that lie in no table: key, `$filter`, `$orderby`, `$top`, `$skip`, `$count`. What it selects
 * CAP does.
 * @throws SluiceError 501 for an expression beyond comparisons, `contains`, `startswith`, `endswith`
 */
export function ask(request: Request, rows: readonly Row[]): unknown {
  const { SELECT } = request.query as unknown as { SELECT: Select }
  const keys = SELECT.from.ref?.flatMap((step) => (typeof step === 'string' || !step.where ? [] : [step.where])) ?? []
  const found = rows.filter((row) => [...keys, SELECT.where ?? []].every((where) => holds(where, row)))
  if (SELECT.columns?.some(({ func }) => func === 'count')) {
    return [{ [SELECT.columns[0]?.as ?? '$count']: found.length }]
  }
  if (SELECT.one) return found[0] ?? null
  const sorted = found.toSorted((a, b) => compareBy(SELECT.orderBy ?? [], a, b))
  const from = SELECT.limit?.offset?.val ?? 0
  const page = sorted.slice(from, from + (SELECT.limit?.rows?.val ?? sorted.length))
  return Object.assign(page, { $count: found.length })
}

function compareBy(order: NonNullable<Select['orderBy']>, a: Row, b: Row): number {
  for (const { ref = [], sort } of order) {
    const [left, right] = [a[ref[0] ?? ''] ?? '', b[ref[0] ?? ''] ?? '']
    if (left !== right) return (left < right ? -1 : 1) * (sort === 'desc' ? -1 : 1)
  }
  return 0
}

/** `or` binds less than `and`, and that less than `not`. */
function holds(tokens: readonly Token[], row: Row): boolean {
  if (tokens.length === 0) return true
  const either = split(tokens, 'or')
  if (either.length > 1) return either.some((part) => holds(part, row))
  const both = split(tokens, 'and')
  if (both.length > 1) return both.every((part) => holds(part, row))
  if (tokens[0] === 'not') return !holds(tokens.slice(1), row)
  const [only, operator, other] = tokens
  if (tokens.length === 1 && typeof only === 'object') {
    if (only.xpr) return holds(only.xpr, row)
    if (only.func) return calls(only.func, only.args ?? [], row)
  }
  if (typeof operator === 'string' && other !== undefined) return compares(valueIn(only, row), operator, other, row)
  throw unsupported()
}

function split(tokens: readonly Token[], word: string): Token[][] {
  const parts: Token[][] = [[]]
  for (const token of tokens) {
    if (token === word) parts.push([])
    else parts.at(-1)?.push(token)
  }
  return parts
}

function compares(left: unknown, operator: string, other: Token, row: Row): boolean {
  if (operator === 'in') {
    if (typeof other === 'string' || !other.list) throw unsupported()
    return other.list.some((each) => valueIn(each, row) === left)
  }
  const right = valueIn(other, row)
  if (operator === '=' || operator === '==') return left === right
  if (operator === '!=' || operator === '<>') return left !== right
  if (left === null || right === null) return false
  if (operator === '<') return String(left) < String(right)
  if (operator === '<=') return String(left) <= String(right)
  if (operator === '>') return String(left) > String(right)
  if (operator === '>=') return String(left) >= String(right)
  throw unsupported()
}

function calls(func: string, args: readonly Token[], row: Row): boolean {
  const [text, part] = args.map((arg) => String(valueIn(arg, row) ?? ''))
  if (text === undefined || part === undefined) throw unsupported()
  if (func === 'contains') return text.includes(part)
  if (func === 'startswith') return text.startsWith(part)
  if (func === 'endswith') return text.endsWith(part)
  throw unsupported()
}

function valueIn(token: Token | undefined, row: Row): unknown {
  if (token === 'null') return null
  if (typeof token !== 'object') throw unsupported()
  if (token.ref) return row[token.ref.at(-1) ?? ''] ?? null
  if ('val' in token) return token.val ?? null
  throw unsupported()
}

const unsupported = () =>
  new SluiceError('not-supported', 'This filter is not supported for sources.', {
    httpStatus: 501,
    remedy: 'Compare with eq, ne, lt, le, gt, ge, in, contains, startswith or endswith.',
  })
