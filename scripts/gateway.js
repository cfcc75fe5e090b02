// Preloaded by `npm start` and `npm run watch`: the configuration of this checkout, which is never shipped.
process.env.CDS_CONFIG ??= 'config/development.json'
