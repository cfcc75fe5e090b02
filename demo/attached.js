// Preloaded into a gateway that somebody else starts: it ends with that process, however that ended.
process.stdin
  .resume()
  .once('close', () => process.exit(0))
  .unref()
