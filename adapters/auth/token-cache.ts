import { hash } from 'node:crypto'

/**
 * What tokens that were verified say, until they expire. Kept by hash, so that memory holds no bearer token; bounded, so
 * that a caller with many tokens cannot fill it. Checking a signature costs ten times a look-up.
 */
export class TokenCache<T> {
  readonly #entries = new Map<string, { readonly value: T; readonly expiresAt: number }>()
  readonly #limit: number

  constructor(limit: number) {
    this.#limit = limit
  }

  get(scope: string, token: string, now: Date): T | undefined {
    const key = keyOf(scope, token)
    const entry = this.#entries.get(key)
    if (!entry) return undefined
    if (now.getTime() < entry.expiresAt) return entry.value
    this.#entries.delete(key)
    return undefined
  }

  set(scope: string, token: string, value: T, expiresAt: number): void {
    const [oldest] = this.#entries.keys()
    if (oldest !== undefined && this.#entries.size >= this.#limit) this.#entries.delete(oldest)
    this.#entries.set(keyOf(scope, token), { value, expiresAt })
  }
}

/** A token good for one issuer and audience says nothing about another: the requirement is part of the key. */
const keyOf = (scope: string, token: string): string => hash('sha256', `${scope}\n${token}`, 'base64')
