# docker build --build-arg VARIANT=cpu|cuda -t gliomorph:0.1.0-cpu .     (docs/containers.md)
# The steps are those of containers/install.sh, the variables those of containers/environment.
ARG BASE=debian:trixie-20260918-slim@sha256:a99cfc517144bc59b1978475ec53b46ecabec7e43635402ee5b77cc54cd1b20a

FROM ${BASE} AS builder
ARG VARIANT=cpu
ARG TEMPLATES=SRI24
ARG MIRROR
ARG SECURITY_MIRROR
ARG TORCH_INDEX
ARG PIP_INDEX_URL
COPY setup.cfg pyproject.toml README.md LICENSE constraints.txt /src/
COPY gliomorph /src/gliomorph
COPY containers /src/containers
RUN /src/containers/install.sh tools
RUN /src/containers/install.sh venv
RUN /src/containers/install.sh templates

FROM ${BASE} AS runtime
ARG MIRROR
ARG SECURITY_MIRROR
RUN --mount=type=bind,source=containers,target=/src/containers /src/containers/install.sh system
COPY --from=builder /opt/gliomorph /opt/gliomorph
ENV PATH=/opt/gliomorph/bin:/usr/local/bin:/usr/bin:/bin:/usr/lib/ants \
    LANG=C.UTF-8 \
    PYTHONNOUSERSITE=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    GLIOMORPH_TEMPLATES=/opt/gliomorph/templates \
    MPLBACKEND=Agg \
    MPLCONFIGDIR=/tmp/matplotlib \
    NO_ET=1

# docker build --target test: pytest on the sources, which are mounted at /src
FROM runtime AS test
ARG PIP_INDEX_URL
RUN --mount=type=bind,source=containers,target=/src/containers \
    --mount=type=bind,source=constraints.txt,target=/src/constraints.txt \
    /src/containers/install.sh tests
ENV PYTHONSAFEPATH=1
USER 12345:12345
WORKDIR /src
ENTRYPOINT ["tini", "--", "pytest", "-p", "no:cacheprovider"]

FROM runtime
ARG VARIANT=cpu
LABEL org.opencontainers.image.title="gliomorph" \
      org.opencontainers.image.description="From a cohort of brain-tumour MRI to BIDS derivatives and a population atlas; for research, not for diagnosis" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.source="https://github.com/gliomorph/gliomorph" \
      org.opencontainers.image.documentation="https://github.com/gliomorph/gliomorph/blob/main/docs/containers.md" \
      org.opencontainers.image.base.name="debian:trixie-slim"
ENV GLIOMORPH_CONTAINER=gliomorph:0.1.0-${VARIANT} \
    GLIOMORPH_CONTAINER_TYPE=docker
USER 12345:12345
WORKDIR /tmp
ENTRYPOINT ["tini", "--", "gliomorph"]
CMD ["--help"]
HEALTHCHECK --interval=24h --start-period=10m --timeout=10m --retries=1 CMD ["gliomorph-check"]
