import type { Handler } from 'cap-sluice'

/** Takes everything. */
const handler: Handler = async () => ({ handled: true })

export default handler
