// Writes docs/api.md from the docstrings of everything the package exports: `npm run api`. A test compares.
import { readFileSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
// TypeScript 7 has no JavaScript API any more; this reads the same sources.
import ts from 'typescript5'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const FILE = join(ROOT, 'docs/api.md')
const HIDDEN = new Set(['./plugin'])
const INTRODUCTION = `# API reference

Made from the docstrings by \`npm run api\`. Durations are in milliseconds where a name ends in \`Ms\`; every fault is a
\`SluiceError\` with a stable \`code\`.
`

/** The package's TypeScript entries by the name consumers import. */
function entries() {
  const { name, exports } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
  return Object.entries(exports).flatMap(([path, target]) => {
    const source = target['sluice-source']
    return source && !HIDDEN.has(path) ? [{ name: name + path.slice(1), file: join(ROOT, source) }] : []
  })
}

function load(files) {
  const configFile = join(ROOT, 'tsconfig.json')
  const { config } = ts.readConfigFile(configFile, ts.sys.readFile)
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, ROOT)
  return ts.createProgram(files, options)
}

const printer = ts.createPrinter({ removeComments: false })

/** The declaration as a reader wants it: members with their comments, functions without their bodies. */
function toText(node) {
  const source = node.getSourceFile()
  if (ts.isFunctionDeclaration(node)) {
    const { modifiers, name, typeParameters, parameters, type } = node
    const plain = modifiers?.filter(({ kind }) => kind !== ts.SyntaxKind.AsyncKeyword)
    const bare = ts.factory.createFunctionDeclaration(
      plain,
      undefined,
      name,
      typeParameters,
      parameters,
      type,
      undefined,
    )
    return printer.printNode(ts.EmitHint.Unspecified, bare, source)
  }
  if (ts.isClassDeclaration(node)) {
    const members = node.members.filter(
      (member) => !ts.isConstructorDeclaration(member) || member.parameters.length > 0,
    )
    const text = members.map((member) => {
      const { body } = member
      const end = body ? body.getStart(source) : member.getEnd()
      return `  ${source.text.slice(member.getStart(source), end).trim()}`
    })
    const head = source.text.slice(node.getStart(source), node.members.pos).trim()
    return `${head}\n${text.join('\n')}\n}`
  }
  return node.getText(source)
}

function describe(checker, symbol) {
  const target = symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol
  const [declaration] = target.declarations ?? []
  const statement = declaration && ts.isVariableDeclaration(declaration) ? declaration.parent.parent : declaration
  const tags = target.getJsDocTags(checker).map(({ name, text }) => `- \`@${name}\` ${ts.displayPartsToString(text)}`)
  const documentation = ts.displayPartsToString(target.getDocumentationComment(checker))
  const code = ts.isVariableDeclaration(declaration)
    ? `const ${symbol.name}: ${checker.typeToString(checker.getTypeOfSymbol(target), statement, ts.TypeFormatFlags.NoTruncation).replaceAll(/import\("[^"]*"\)\./g, '')}`
    : toText(statement).replace(/^export (default )?/, '')
  const where = relative(ROOT, statement.getSourceFile().fileName)
  const parts = [
    `### ${symbol.name}`,
    documentation,
    tags.join('\n'),
    `\`\`\`ts\n${code.trim()}\n\`\`\``,
    `<sub>${where}</sub>`,
  ]
  return parts.filter((part) => part !== '').join('\n\n')
}

export function apiReference() {
  const found = entries()
  const program = load(found.map(({ file }) => file))
  const checker = program.getTypeChecker()
  const chapters = found.map(({ name, file }) => {
    const module = checker.getSymbolAtLocation(program.getSourceFile(file))
    const symbols = checker.getExportsOfModule(module).toSorted((a, b) => (a.name < b.name ? -1 : 1))
    return [`## ${name}`, ...symbols.map((symbol) => describe(checker, symbol))].join('\n\n')
  })
  return `${INTRODUCTION}\n${chapters.join('\n\n')}\n`
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(FILE, apiReference())
