import { posix } from 'node:path'

export interface Import {
  readonly specifier: string
  readonly typeOnly: boolean
}

/** Path from the repository's root → text. */
export type Tree = ReadonlyMap<string, string>

const COMMENT_OR_STRING = /('(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`)|\/\*[\s\S]*?\*\/|\/\/[^\n]*/g
const STATIC = /(?:^|[;}\n])\s*(import|export)\s+(type\s)?(?:[^'"`;()]*?\sfrom\s*)?(['"])([^'"\n]+)\3/g
const DYNAMIC = /(typeof\s+)?\b(?:import|require)\s*\(\s*(['"])([^'"\n]+)\2/g

/** The text without its comments; strings stay. */
export const withoutComments = (text: string): string => text.replace(COMMENT_OR_STRING, (_all, kept = ' ') => kept)

/** Every `import`, `export … from`, `import('literal')` and `require('literal')`. */
export function importsOf(text: string): Import[] {
  const code = withoutComments(text)
  const fixed = [...code.matchAll(STATIC)].map(([, , type, , specifier]) => ({
    specifier: specifier ?? '',
    typeOnly: type !== undefined,
  }))
  const dynamic = [...code.matchAll(DYNAMIC)].map(([, type, , specifier]) => ({
    specifier: specifier ?? '',
    typeOnly: type !== undefined,
  }))
  return [...fixed, ...dynamic]
}

/** The file an import of our own leads to, or undefined where it leaves the repository. */
export function resolveImport(from: string, specifier: string): string | undefined {
  if (specifier.startsWith('#domain/')) return `srv/domain/${specifier.slice('#domain/'.length)}.ts`
  if (specifier.startsWith('.')) return posix.normalize(posix.join(posix.dirname(from), specifier))
  return undefined
}

/** Import cycles, each as the path round it. Imports of types count: a cycle of types is a cycle of ideas. */
export function cyclesOf(tree: Tree): string[] {
  const targets = new Map(
    [...tree].map(([path, text]) => [
      path,
      importsOf(text)
        .map(({ specifier }) => resolveImport(path, specifier))
        .filter((target): target is string => target !== undefined && tree.has(target)),
    ]),
  )
  const cycles = new Set<string>()
  const done = new Set<string>()
  const trail: string[] = []
  const visit = (path: string): void => {
    const seenAt = trail.indexOf(path)
    if (seenAt >= 0) cycles.add([...trail.slice(seenAt), path].join(' → '))
    if (seenAt >= 0 || done.has(path)) return
    trail.push(path)
    for (const target of targets.get(path) ?? []) visit(target)
    trail.pop()
    done.add(path)
  }
  for (const path of targets.keys()) visit(path)
  return [...cycles]
}
