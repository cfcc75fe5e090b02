// Preloaded by every development script (`node --import`): runs the TypeScript sources as they are, on any shell.
// CAP ignores .ts handlers without CDS_TYPESCRIPT; children (cds watch, test servers) inherit both settings.
const condition = '--conditions=sluice-source'
process.env.CDS_TYPESCRIPT = 'true'
if (!process.env.NODE_OPTIONS?.includes(condition)) {
  process.env.NODE_OPTIONS = [process.env.NODE_OPTIONS, condition].filter(Boolean).join(' ')
}
