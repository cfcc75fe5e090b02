import type { Argv } from 'yargs'
import type { FilterArguments } from './shared-options.ts'

export const confirmOptions = <T>(yargs: Argv<T>) =>
  yargs
    .option('dry-run', { type: 'boolean', default: false, describe: 'Only say what would be done' })
    .option('yes', { alias: 'y', type: 'boolean', default: false, describe: 'Do not ask' })

export const isFiltered = ({ state, type, source, since, until, subscription }: FilterArguments): boolean =>
  [state, type, source, since, until, subscription].some((each) => each !== undefined)
