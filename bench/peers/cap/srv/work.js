const server = import('../../server.js')

module.exports = class Work extends require('@sap/cds').Service {
  init() {
    this.on('delivery', async () => (await server).handle())
    return super.init()
  }
}
