# One image for everything that compose.yaml runs but PostgreSQL: the Prefect server, the setup, the workers, API and page.
FROM python:3.11.14-slim-bookworm AS build
WORKDIR /src
RUN python -m venv /opt/sync
COPY requirements.lock ./
RUN --mount=type=cache,target=/root/.cache/pip /opt/sync/bin/python -m pip install --require-hashes --requirement requirements.lock
COPY pyproject.toml README.md ./
COPY tracking tracking
COPY steps steps
COPY flows flows
RUN --mount=type=cache,target=/root/.cache/pip /opt/sync/bin/python -m pip install --no-deps .

FROM python:3.11.14-slim-bookworm
RUN useradd --uid 10001 --user-group --create-home --home-dir /var/lib/sync --shell /usr/sbin/nologin sync
COPY --from=build /opt/sync /opt/sync
ENV PATH=/opt/sync/bin:/usr/local/bin:/usr/bin:/bin \
    HOME=/var/lib/sync \
    PYTHONUNBUFFERED=1 \
    PREFECT_SERVER_ANALYTICS_ENABLED=false
WORKDIR /var/lib/sync
USER 10001:10001
CMD ["sync-actions", "--help"]
