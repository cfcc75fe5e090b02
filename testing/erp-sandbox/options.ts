import type { Raises } from './sender.ts'

export interface ErpSandboxOptions {
  /** 0 or absent: any free port. */
  readonly port?: number
  readonly controlPort?: number
  readonly user?: string
  readonly password?: string
  /** SQLite file, kept over restarts; `:memory:` if absent. */
  readonly database?: string
  /** Makes it a headquarters' ERP, whose sales orders and business partners raise business events. */
  readonly raises?: Raises
}
