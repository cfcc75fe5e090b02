# The deployed project (gen/srv of `npm run build`) as an image. Build it with: npm run build && docker build -t sluice .
# The dependencies come from the registry of .npmrc, or from a cache: docker build --build-arg NPM_FLAGS=--offline .
ARG NODE=node:24-slim

FROM ${NODE} AS dependencies
ARG NPM_FLAGS=--prefer-offline
WORKDIR /app
COPY gen/srv/package.json gen/srv/package-lock.json gen/srv/cap-sluice-*.tgz ./
RUN npm ci --omit=dev --no-audit --no-fund ${NPM_FLAGS}
COPY gen/srv/ ./

FROM ${NODE}
ENV NODE_ENV=production \
    PORT=8080
WORKDIR /app
COPY --from=dependencies --chown=root:root /app ./
# Nothing in the image is writable: the store is a database, and logs go to stdout.
USER node
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT}/health`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
# Not through npm, which does not hand SIGTERM on. The deployer is the same image: node node_modules/cap-sluice/dist/bin/sluice-deploy.js
# Without the bound, V8 lets young garbage grow to 100 MB; it costs no throughput (docs/benchmarks.md).
CMD ["node", "--max-semi-space-size=8", "node_modules/@sap/cds/bin/serve.js"]
