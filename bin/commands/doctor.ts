import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { SluiceError } from '#domain/errors'
import { command } from '../command.ts'
import { checkConfiguration } from '../doctor/configuration.ts'
import { type Finding, fault, type Level } from '../doctor/finding.ts'
import { checkGateway } from '../doctor/gateway.ts'
import { checkCds, checkNode, checkPackage } from '../doctor/versions.ts'
import { EXIT, usage } from '../exit.ts'
import { loadProject, type Project } from '../project.ts'
import type { Style, Terminal } from '../terminal.ts'
import { plural, safe, toJson, wrap } from '../text.ts'
import { gatewayOptions, openGateway } from './shared-options.ts'

export const doctor = command({
  words: 'doctor [folder]',
  about: 'Check a project, a running gateway, or both',
  options: (yargs) =>
    gatewayOptions(yargs)
      .positional('folder', { type: 'string', default: '.', describe: 'The project' })
      .example('$0 doctor', 'The project in this folder')
      .example('$0 doctor --url https://sluice.example.com', 'A running gateway too')
      .epilogue("Loads the project's handlers, and starts nothing. Ends with 1 when something is broken."),
  run: async (args, terminal) => {
    const folder = resolve(terminal.cwd, args.folder)
    const isProject = existsSync(join(folder, 'package.json'))
    const remote = args.url !== undefined || Boolean(terminal.env.SLUICE_URL)
    if (!isProject && !remote)
      throw usage(`${folder} holds no project (no package.json).`, 'Name its folder, or a gateway by --url.')
    const findings = [
      ...(isProject ? await checkProject(folder, terminal) : []),
      ...(remote ? await checkGateway(await openGateway(args, terminal, terminal.interruption()), Date.now) : []),
    ]
    if (args.json) terminal.out(toJson({ ok: !findings.some(isBroken), findings }))
    else print(findings, terminal)
    return findings.some(isBroken) ? EXIT.problem : EXIT.ok
  },
})

const isBroken = ({ level }: Finding): boolean => level === 'broken'

async function checkProject(folder: string, terminal: Terminal): Promise<Finding[]> {
  const first = [checkNode(), checkPackage(folder), ...checkCds(folder)]
  if (first.some(({ check, level }) => check === 'cds' && level === 'broken')) return first
  terminal.progress('reading the configuration')
  try {
    const project = loadProject(folder)
    const [{ checkPort }, { checkStore }] = await Promise.all([
      import('../doctor/port.ts'),
      import('../doctor/store.ts'),
    ])
    // CAP has read .env into the process by now.
    return [
      ...first,
      ...(await checkConfiguration(project, envOf(project))),
      await checkStore(project),
      await checkPort(process.env),
    ]
  } catch (thrown) {
    if (!(thrown instanceof SluiceError)) throw thrown
    return [...first, fault('configuration', thrown)]
  }
}

/** As the plugin has it: what a bound service brings, then the process's own. */
const envOf = ({ sluice }: Project): NodeJS.ProcessEnv => ({
  ...(sluice?.credentials as Record<string, string> | undefined),
  ...process.env,
})

const MARKS: Readonly<Record<Level, readonly [string, Style]>> = {
  ok: ['ok', 'green'],
  warning: ['warning', 'yellow'],
  broken: ['broken', 'red'],
  skipped: ['skipped', 'dim'],
}

function print(findings: readonly Finding[], { out, paint, columns = 100 }: Terminal): void {
  for (const { check, level, message, remedy } of findings) {
    const [mark, style] = MARKS[level]
    const lines = `${mark} ${check}: ${message}`.split('\n')
    const text = lines.map((line, n) => wrap(safe(line), columns, '  ', n === 0 ? '' : '  '))
    out(text.join('\n').replace(mark, paint(style, mark)))
    if (remedy) out(wrap(remedy, columns, '  ', '  '))
  }
  const count = findings.filter(isBroken).length
  out(
    count === 0
      ? paint('green', 'Nothing is broken.')
      : paint('red', `${plural(count, 'thing is', 'things are')} broken.`),
  )
}
