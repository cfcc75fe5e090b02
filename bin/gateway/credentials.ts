import { usage } from '../exit.ts'
import { readSecret } from '../secret.ts'
import type { Terminal } from '../terminal.ts'
import { isLoopback } from './address.ts'

export interface CredentialOptions {
  readonly user?: string | undefined
  readonly token?: string | undefined
}

/**
 * The `Authorization` header, from options or from SLUICE_TOKEN, or SLUICE_USER with SLUICE_PASSWORD; undefined where
 * nobody gave any. Only the process's own environment counts: no file.
 * @param fallback whether the SLUICE_* variables count: a webhook's receiver must not get an operator's password
 */
export async function readCredentials(
  options: CredentialOptions,
  url: URL,
  terminal: Terminal,
  fallback = true,
): Promise<string | undefined> {
  const authorization = await choose(options, terminal, fallback)
  if (authorization && url.protocol === 'http:' && !isLoopback(url)) {
    terminal.note(`Warning: credentials go to ${url.host} unencrypted. Use https.`)
  }
  return authorization
}

async function choose({ user, token }: CredentialOptions, terminal: Terminal, fallback: boolean) {
  const env = fallback ? terminal.env : {}
  if (user !== undefined && token !== undefined) throw usage('--user and --token exclude each other.')
  if (token !== undefined) return `Bearer ${await readSecret(token, '--token', terminal)}`
  if (user !== undefined) return basic(...(await userAndPassword(user, terminal)))
  if (env.SLUICE_TOKEN) return `Bearer ${env.SLUICE_TOKEN}`
  return env.SLUICE_USER ? basic(env.SLUICE_USER, env.SLUICE_PASSWORD ?? '') : undefined
}

/** `name` asks for the password or takes SLUICE_PASSWORD, `name:` has none, `name:password` is warned of. */
async function userAndPassword(user: string, terminal: Terminal): Promise<[string, string]> {
  const colon = user.indexOf(':')
  if (colon < 0) {
    const known = terminal.env.SLUICE_PASSWORD
    return [user, known ?? (await readSecret(undefined, 'The password', terminal, 'Set SLUICE_PASSWORD.'))]
  }
  const password = user.slice(colon + 1)
  const remedy = 'Set SLUICE_PASSWORD, or give --user NAME:env:VARIABLE.'
  return [user.slice(0, colon), password === '' ? '' : await readSecret(password, 'The password', terminal, remedy)]
}

const basic = (user: string, password: string): string =>
  `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`
