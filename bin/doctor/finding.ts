import type { SluiceError } from '#domain/errors'
import { messageOf } from '../exit.ts'

export type Level = 'ok' | 'warning' | 'broken' | 'skipped'

/** What one check found, and what to do about it. */
export interface Finding {
  readonly check: string
  readonly level: Level
  readonly message: string
  readonly remedy?: string
}

export const ok = (check: string, message: string): Finding => ({ check, level: 'ok', message })
export const skipped = (check: string, message: string): Finding => ({ check, level: 'skipped', message })
export const warning = (check: string, message: string, remedy: string): Finding => ({
  check,
  level: 'warning',
  message,
  remedy,
})
export const broken = (check: string, message: string, remedy: string): Finding => ({
  check,
  level: 'broken',
  message,
  remedy,
})

export const fault = (check: string, thrown: SluiceError, remedy = 'The reason is in its log.'): Finding =>
  broken(check, messageOf(thrown), thrown.remedy ?? remedy)
