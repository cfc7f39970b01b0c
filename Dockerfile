# Builds the server from source and runs it as an unprivileged user, with its data in a volume (docs/deploy/README.md).
#
#   docker build -t muster .
#   docker run -p 7420:7420 -p 7421:7421 -v muster-data:/data muster
#   docker exec CONTAINER cat /data/admin.key
#   docker exec CONTAINER muster backup

# Debian 13: its glibc (2.41) loads official builds of uWebSockets.js, which since v20.55 ask for 2.38. The headers of Node
# for which native files are compiled, and Node itself, are those of one image: both stages name the same.
ARG NODE=20-trixie-slim

FROM node:${NODE} AS build
# A tag of github.com/uNetworking/uWebSockets.js (v20.58.0): what `--transport uws` loads then. Empty: the unofficial build
# that package-lock.json names, which is for Node 20 alone.
ARG UWS=
# better-sqlite3 is compiled where its prebuilt file cannot be downloaded.
RUN apt-get update \
  && apt-get install -y --no-install-recommends ca-certificates curl g++ make python3 \
  && rm -rf /var/lib/apt/lists/*
WORKDIR /muster
COPY package.json package-lock.json ./
# One package may run its install script (allowScripts in package.json), whatever npm this image has.
RUN npm ci --ignore-scripts && npm rebuild better-sqlite3
COPY tsconfig.base.json tsconfig.build.json ./
COPY scripts ./scripts
COPY protocol ./protocol
COPY src ./src
RUN npm run build && npm prune --omit=dev --ignore-scripts
# Of uWebSockets.js only the file for this platform and this Node stays. An official one that does not load ends the build.
RUN set -eu; file="uws_linux_$(node -p process.arch)_$(node -p process.versions.modules).node"; \
  if [ -n "$UWS" ]; then \
    rm -rf node_modules/uWebSockets.js; mkdir node_modules/uWebSockets.js; \
    curl -fsSL "https://github.com/uNetworking/uWebSockets.js/archive/refs/tags/$UWS.tar.gz" -o /tmp/uws.tar.gz; \
    tar -xzf /tmp/uws.tar.gz --strip-components=1 -C node_modules/uWebSockets.js; \
    node -e 'require(process.argv[1])' "/muster/node_modules/uWebSockets.js/$file"; \
  fi; \
  find node_modules/uWebSockets.js -name '*.node' ! -path "*/uWebSockets.js/$file" ! -path "*/binaries/$file" -delete

FROM node:${NODE}
ENV NODE_ENV=production \
  MUSTER_HOST=0.0.0.0 \
  MUSTER_PORT=7420 \
  MUSTER_HTTP_PORT=7421 \
  MUSTER_DATA=/data
WORKDIR /muster
COPY --from=build /muster/package.json ./
COPY --from=build /muster/node_modules ./node_modules
COPY --from=build /muster/dist ./dist
COPY bin ./bin
# What is in /muster belongs to root: the server cannot change its own program.
RUN ln -s /muster/bin/muster.js /usr/local/bin/muster && mkdir -m 700 /data && chown node:node /data
# The user node of the image, by number: Kubernetes can then see that it is not root.
USER 1000:1000
VOLUME /data
EXPOSE 7420 7421
# Does the process answer. Whether it takes agents (/readyz) is for load balancers: a server that waits for its Redis must
# not be killed for it.
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:7421/healthz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
# The exec form makes the server process 1, which gets SIGTERM itself and stops in order. It starts no other process,
# so nothing has to be reaped.
STOPSIGNAL SIGTERM
ENTRYPOINT ["node", "/muster/bin/muster.js"]
CMD ["serve"]
