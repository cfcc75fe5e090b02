import { usage } from '../exit.ts'

const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/

/** @throws SluiceError `usage` for anything but an http(s) URL without credentials */
export function parseAddress(text: string, option = '--url'): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (!url || !/^https?:$/.test(url.protocol)) {
    throw usage(`${option}: "${text}" is no URL.`, 'Write it as http://localhost:4004.')
  }
  if (url.username || url.password) {
    throw usage(`${option} holds credentials.`, 'Take them out and give --user, or SLUICE_USER and SLUICE_PASSWORD.')
  }
  return url
}

export const isLoopback = (url: URL): boolean => LOOPBACK.test(url.hostname)
