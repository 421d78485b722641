# syntax=docker/dockerfile:1

# ---- build: one bundle in dist/, then only what runs stays -------------------------------------------------------
FROM node:26-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# No dependency needs an install script, so none may run.
RUN npm ci --ignore-scripts
COPY tsconfig.json rolldown.config.ts ./
COPY src ./src
COPY config ./config
RUN npm run build && npm prune --omit=dev --ignore-scripts

# ---- runtime -----------------------------------------------------------------------------------------------------
FROM node:26-slim
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="jwksd" \
      org.opencontainers.image.description="The key server for everything that verifies JWTs" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

# The program belongs to root and the process is not root: it cannot change itself. Only /data is its own.
RUN install -d -o 1000 -g 1000 -m 0755 /data
COPY package.json LICENSE /app/
COPY --from=build /app/node_modules /app/node_modules
COPY --from=build /app/config /app/config
COPY --from=build /app/dist /app/dist
COPY deploy/healthcheck.mjs /app/deploy/healthcheck.mjs

# A container is entered through its own address, so the public listener leaves loopback. The ops listener does not:
# it can write. Whoever scrapes /metrics from another container sets JWKSD_OPS__HOST=0.0.0.0 (docs/operations.md).
ENV NODE_ENV=production \
    JWKSD_SERVER__HOST=0.0.0.0

# `./data`, where the quickstart writes, is relative to the working directory: from / it is the volume /data. Nothing
# else is written, so `--read-only` works as it is.
WORKDIR /
VOLUME ["/data"]
EXPOSE 8080

# A number, not a name: Kubernetes' runAsNonRoot can check it. 1000 is `node` in the base image.
USER 1000:1000

# No init process: jwksd starts no children that could be left behind, and it handles SIGTERM, SIGINT and SIGHUP
# itself, which PID 1 must, because the kernel gives PID 1 no default action for them.
STOPSIGNAL SIGTERM

# Asks /livez, not /readyz. Swarm and autoheal kill an unhealthy container, and a restart mends a process that does not
# answer but never an upstream that is down. Whoever orders starts by health asks /readyz instead, as
# docker-compose.yml does.
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s --retries=3 \
  CMD ["node", "/app/deploy/healthcheck.mjs", "/livez"]

ENTRYPOINT ["node", "/app/dist/main.js"]
CMD ["serve"]
