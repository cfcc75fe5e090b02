import { resolve } from 'node:path'
import { describeStep, type MeshRisk, type MeshStep } from '#domain/plan-mesh'
import type { WatchedMesh } from '../../srv/runtime/mesh-watch.ts'
import { command } from '../command.ts'
import { EXIT, usage } from '../exit.ts'
import { loadProject, type Project } from '../project.ts'
import type { Terminal } from '../terminal.ts'
import { safe, toJson, wrap } from '../text.ts'

interface Report {
  readonly source: string
  /** What would be done, or was. */
  readonly steps: readonly string[]
  readonly risks: readonly MeshRisk[]
}

/** Sets up what the running gateway keeps up by itself, for whoever wants to see it first or do it from a pipeline. */
export const mesh = command({
  words: 'mesh <action> [folder]',
  about: 'Compare queues and webhooks at Event Mesh with the configuration, and set them up',
  options: (yargs) =>
    yargs
      .positional('action', { choices: ['plan', 'apply'] as const, demandOption: true, describe: 'Look, or change' })
      .positional('folder', { type: 'string', default: '.', describe: 'The project' })
      .option('source', { type: 'string', describe: 'Only this source' })
      .option('renew', { type: 'boolean', default: false, describe: 'Replace the webhook, e.g. for a new secret' })
      .example('$0 mesh plan', 'What differs; changes nothing')
      .example('$0 mesh apply --renew', 'Set up, with a new webhook')
      .epilogue('Only sources with "subscribe" are managed. plan ends with 1 where something differs or is at risk.'),
  run: async ({ action, folder, source, renew, json }, terminal) => {
    const project = loadProject(resolve(terminal.cwd, folder))
    const meshes = (await managed(project)).filter((one) => source === undefined || one.source === source)
    if (meshes.length === 0) {
      throw usage(
        source ? `The source ${source} has no "subscribe".` : 'No source has "subscribe".',
        'See docs/guides/behind-a-firewall-pull.md for what it takes.',
      )
    }
    const reports: Report[] = []
    try {
      for (const one of meshes) reports.push(await (action === 'plan' ? plan : apply)(one, renew, terminal))
    } finally {
      for (const one of meshes) one.mesh.close()
    }
    if (json) terminal.out(toJson(reports))
    else for (const report of reports) print(report, action, terminal)
    const open = reports.some(({ steps, risks }) => risks.length > 0 || (action === 'plan' && steps.length > 0))
    return open ? EXIT.problem : EXIT.ok
  },
})

async function managed({ sluice, facade }: Project): Promise<readonly WatchedMesh[]> {
  const [{ readConfig }, { capParts }, { managedMeshes }] = await Promise.all([
    import('../../srv/config.ts'),
    import('../../srv/wiring.ts'),
    import('../../srv/wire-mesh.ts'),
  ])
  return managedMeshes(readConfig(sluice, process.env), capParts(facade).services)
}

async function plan({ source, mesh }: WatchedMesh, renew: boolean, { progress }: Terminal): Promise<Report> {
  const { planMesh } = await import('#domain/plan-mesh')
  progress(`looking at ${source}`)
  const { steps, risks } = planMesh(mesh.desired, await mesh.look(), { renew })
  return { source, steps: steps.map(describeStep), risks }
}

async function apply({ source, mesh }: WatchedMesh, renew: boolean, { progress }: Terminal): Promise<Report> {
  const { applyMesh } = await import('../../srv/runtime/mesh-watch.ts')
  progress(`setting up ${source}`)
  const { done, plan } = await applyMesh(mesh, { renew })
  return { source, steps: done.map((step: MeshStep) => describeStep(step)), risks: plan.risks }
}

function print({ source, steps, risks }: Report, action: 'plan' | 'apply', terminal: Terminal): void {
  const { out, paint, columns = 100 } = terminal
  const verb = action === 'plan' ? 'would' : 'did'
  out(`${paint('bold', safe(source))}: ${steps.length === 0 ? 'nothing differs' : verb}`)
  for (const step of steps) out(wrap(safe(step), columns, '    ', '  '))
  for (const { severity, text } of risks) {
    const style = severity === 'alarm' ? 'red' : 'yellow'
    out(wrap(`${severity} ${safe(text)}`, columns, '    ', '  ').replace(severity, paint(style, severity)))
  }
}
