# Builds the server from source and runs it as an unprivileged user, with its data in a volume.
#
#   docker build -t muster .
#   docker run -p 7420:7420 -p 7421:7421 -v muster-data:/data muster
#   docker exec CONTAINER cat /data/admin.key

FROM node:20-bookworm-slim AS build
# better-sqlite3 is compiled where its prebuilt file cannot be downloaded.
RUN apt-get update \
  && apt-get install -y --no-install-recommends g++ make python3 \
  && rm -rf /var/lib/apt/lists/*
WORKDIR /muster
COPY package.json package-lock.json ./
# Of uWebSockets.js, which is there for `--transport uws`, only the file for this platform stays. It needs glibc.
RUN npm ci \
  && find node_modules/uWebSockets.js -name '*.node' \
    ! -path "*/binaries/uws_linux_$(node -p process.arch)_$(node -p process.versions.modules).node" -delete
COPY tsconfig.base.json tsconfig.build.json ./
COPY scripts ./scripts
COPY protocol ./protocol
COPY src ./src
RUN npm run build && npm prune --omit=dev

FROM node:20-bookworm-slim
ENV NODE_ENV=production
WORKDIR /muster
COPY --from=build /muster/package.json ./
COPY --from=build /muster/node_modules ./node_modules
COPY --from=build /muster/dist ./dist
RUN mkdir /data && chown node:node /data
USER node
VOLUME /data
EXPOSE 7420 7421
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:7421/readyz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
# The exec form makes the server process 1, which gets SIGTERM itself and stops in order. It starts no other process,
# so nothing has to be reaped.
STOPSIGNAL SIGTERM
ENTRYPOINT ["node", "dist/src/cli/muster.js"]
CMD ["serve", "--host", "0.0.0.0", "--port", "7420", "--http-port", "7421", "--data", "/data"]
