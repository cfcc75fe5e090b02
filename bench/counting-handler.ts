import { writeFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import type { Handler } from 'cap-sluice'

const { HANDLED_FILE = 'handled', BODY_MS = '0' } = process.env
let handled = 0
setInterval(() => writeFileSync(HANDLED_FILE, String(handled)), 50).unref()

/** The same work as the peers' (bench/peers/server.js). */
const count: Handler = async () => {
  if (BODY_MS !== '0') await pause(Number(BODY_MS))
  handled += 1
}

export default count
