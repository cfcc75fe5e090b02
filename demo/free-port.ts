import { createServer } from 'node:net'

/** A port that nobody uses right now: any of the loopback interface, or the one that is wanted, on all of them. */
export const freePort = (wanted = 0): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer().once('error', reject)
    server.listen({ port: wanted, ...(wanted === 0 && { host: '127.0.0.1' }) }, () => {
      const address = server.address()
      server.close(() =>
        address && typeof address === 'object' ? resolve(address.port) : reject(new Error('no free port')),
      )
    })
  })
