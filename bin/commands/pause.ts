import { command } from '../command.ts'
import { EXIT } from '../exit.ts'
import { keyPath } from '../gateway/odata.ts'
import { safe, toJson } from '../text.ts'
import { gatewayOptions, openGateway } from './shared-options.ts'

/** `pause` and `resume`. */
const halt = (verb: 'pause' | 'resume', about: string, said: string) =>
  command({
    words: `${verb} <subscription>`,
    about,
    options: (yargs) =>
      gatewayOptions(yargs)
        .positional('subscription', { type: 'string', demandOption: true, describe: 'Its name' })
        .example(`$0 ${verb} book-payment`, said),
    run: async ({ subscription, json, ...args }, terminal) => {
      const client = await openGateway(args, terminal, terminal.interruption())
      await client.act(`${keyPath('Subscriptions', subscription)}/CockpitService.${verb}`)
      terminal.out(json ? toJson({ subscription, action: verb, ok: true }) : `${safe(subscription)}: ${said}`)
      return EXIT.ok
    },
  })

export const pause = halt('pause', 'Stop handing events to a subscription; they wait', 'Its events wait from now on.')

export const resume = halt('resume', 'Hand a paused subscription its events again', 'Its events are handled again.')
