import type { Argv } from 'yargs'
import { type FilterArguments, toFilters } from './shared-options.ts'

export const confirmOptions = <T>(yargs: Argv<T>) =>
  yargs
    .option('dry-run', { type: 'boolean', default: false, describe: 'Only say what would be done' })
    .option('yes', { alias: 'y', type: 'boolean', default: false, describe: 'Do not ask' })

/** Whether anything was said about which events: without it, all of them would be meant. */
export const isFiltered = (args: FilterArguments): boolean =>
  Object.values(toFilters(args, 0)).some((each) => each !== undefined)
