// Preloaded by `npm start` and `npm run watch`: the configuration of this checkout, which is never shipped. It has users
// without passwords and a source that believes everybody, so production needs one of its own.
if (process.env.NODE_ENV !== 'production') process.env.CDS_CONFIG ??= 'config/development.json'
else if (!process.env.CDS_CONFIG) {
  throw new Error(
    'NODE_ENV=production: name a configuration by CDS_CONFIG; config/development.json is open to everybody.',
  )
}
