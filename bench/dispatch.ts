import { rates } from './intake.ts'
import { drain, fileIn, fill, inFolder, loadGateway, type Measure, NO_OP, rotate, type Scale } from './run.ts'
import { median } from './statistics.ts'

/** Claim, no-op handler, attempt recorded, settled: a backlog, relative to how fast it could have come in. */
export async function dispatch(scale: Scale): Promise<Measure[]> {
  const { intake, drained } = await rotate(scale.rotations, {
    intake: () =>
      inFolder(async (folder) => {
        const settings = { roles: ['intake'], subscriptions: NO_OP }
        return rates([await loadGateway(scale, fileIn(folder), settings)])
      }),
    drained: () =>
      inFolder(async (folder) => {
        await fill(fileIn(folder), scale.dispatches, scale.keys)
        return [(await drain(fileIn(folder), scale.dispatches)).perSecond]
      }),
  })
  const value = median(drained.flat()) / median(intake.flat())
  return [
    { name: 'intake, one subscription', unit: 'deliveries/s', values: intake.flat() },
    { name: 'dispatch', unit: 'events/s', values: drained.flat(), ratio: { to: 'intake', value, bar: 1 } },
  ]
}
