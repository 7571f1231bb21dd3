# One image for every service, and for the command: python -m scorer (what it runs unless told otherwise), monitor,
# trainer, producer; streamgauge ... . See docs/operations/containers.md.

FROM python:3.13.16-slim-trixie AS build
WORKDIR /src
COPY requirements.lock requirements-runtime.lock ./
# Wheels alone: nothing is compiled, so no compiler is ever installed. pip and setuptools stay in this stage.
RUN python -m venv --without-pip /opt/venv \
 && pip --python /opt/venv/bin/python install --no-cache-dir --no-compile --only-binary :all: --no-deps \
      --require-hashes -r requirements-runtime.lock \
 && sed -n '/^setuptools==/,/[^\\]$/p' requirements.lock > build.lock \
 && pip install --no-cache-dir --only-binary :all: --no-deps --require-hashes -r build.lock
COPY pyproject.toml README.md LICENSE ./
COPY core core
COPY monitor monitor
COPY producer producer
COPY scorer scorer
COPY streamgauge streamgauge
COPY trainer trainer
# The packages' own tests are a sixth of them. What is compiled here is never looked at again, so that it counts on a
# read-only file system whatever its files' times are.
RUN pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir dist . \
 && pip --python /opt/venv/bin/python install --no-cache-dir --no-compile --no-deps dist/*.whl \
 && find /opt/venv -type d -name tests -prune -exec rm -rf {} + \
 && /opt/venv/bin/python -m compileall -q --invalidation-mode unchecked-hash /opt/venv/lib

FROM python:3.13.16-slim-trixie
LABEL org.opencontainers.image.title="streamgauge" \
      org.opencontainers.image.description="Streaming inference that gauges its own drift" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.source="https://github.com/streamgauge/streamgauge" \
      org.opencontainers.image.base.name="docker.io/library/python:3.13.16-slim-trixie"
RUN groupadd --gid 10001 streamgauge \
 && useradd --uid 10001 --gid 10001 --no-log-init --no-create-home --home-dir /var/lib/streamgauge \
      --shell /usr/sbin/nologin streamgauge \
 && install -d -o 10001 -g 10001 /var/lib/streamgauge /var/lib/streamgauge/miniflow /var/lib/streamgauge/demo
COPY --from=build /opt/venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONSAFEPATH=1 \
    PYTHONUNBUFFERED=1 \
    STREAMGAUGE_HTTP_HOST=0.0.0.0 \
    STREAMGAUGE_MINIFLOW=/var/lib/streamgauge/miniflow
WORKDIR /var/lib/streamgauge
# By number, so that Kubernetes can see that it is not root.
USER 10001:10001
EXPOSE 8000 8001 8002
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=10s --start-period=30s --retries=3 CMD ["python", "-m", "core.healthcheck"]
CMD ["python", "-m", "scorer"]
