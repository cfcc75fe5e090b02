import { rates } from './intake.ts'
import { drain, fileIn, fill, inFolder, loadGateway, type Measure, NO_OP, rotate, type Scale } from './run.ts'
import { median } from './statistics.ts'

const INTAKE_ONLY = { roles: ['intake'], subscriptions: NO_OP }
const MEMORY_BAR_MB = 300

/** Whether a store that holds much is as fast as an empty one, and whether a long drain needs more and more memory. */
export const growth = (scale: Scale): Promise<Measure[]> =>
  inFolder(async (folder) => {
    const { stored, keys, rotations } = scale
    const full = fileIn(folder)
    const filling = await fill(full, stored, keys)
    const { empty, filled } = await rotate(rotations, {
      empty: () => inFolder((other) => loadGateway(scale, fileIn(other), INTAKE_ONLY)),
      filled: () => loadGateway(scale, full, INTAKE_ONLY),
    })

    const few = Math.ceil(stored / 10)
    const drainFew = () =>
      inFolder(async (other) => {
        await fill(fileIn(other), few, keys)
        return (await drain(fileIn(other), few)).perSecond
      })
    const before = await drainFew()
    const all = await drain(
      full,
      filled.reduce((sum, { accepted }) => sum + accepted, stored),
    )
    const small = [before, await drainFew()]

    const ratio = (to: string, value: number) => ({ to, value, bar: 0.8 })
    return [
      { name: `filling with ${stored}`, unit: 'events/s', values: [filling.perSecond] },
      { name: 'intake, empty store', unit: 'deliveries/s', values: rates(empty) },
      {
        name: `intake, ${stored} stored`,
        unit: 'deliveries/s',
        values: rates(filled),
        ratio: ratio('empty', median(rates(filled)) / median(rates(empty))),
      },
      { name: `dispatch, backlog of ${few}`, unit: 'events/s', values: small },
      {
        name: `dispatch, backlog of ${stored} and more`,
        unit: 'events/s',
        values: [all.perSecond],
        ratio: ratio('small backlog', all.perSecond / median(small)),
      },
      { name: 'resident memory, highest while draining', unit: 'MB', values: [all.peakMb], atMost: MEMORY_BAR_MB },
      { name: 'resident memory, second quarter of the drain', unit: 'MB', values: [all.earlyMb] },
      { name: 'resident memory, last quarter of the drain', unit: 'MB', values: [all.lateMb] },
    ]
  })
