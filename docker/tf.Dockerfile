# mlm with TensorFlow, for CPUs unless told otherwise. docs/containers.md has the commands.

# Debian or Ubuntu. An image without Python gets the one of its distribution, which must be 3.11 or newer.
ARG BASE=python:3.11-slim

FROM ${BASE} AS base
# Packages of the distribution to add.
ARG PACKAGES=""
RUN wanted="${PACKAGES} $(command -v python3 > /dev/null || echo python3 python3-venv)" \
    && if [ -n "$(echo ${wanted})" ]; then \
        apt-get update \
        && apt-get install -y --no-install-recommends ${wanted} \
        && rm -rf /var/lib/apt/lists/*; \
    fi

# The packages that mlm needs. They change less often than its code, and this layer is the large one.
FROM base AS packages
ARG CONSTRAINTS=constraints.txt
# tensorflow[and-cuda] also installs the libraries of CUDA.
ARG TENSORFLOW=tensorflow
ENV UV_LINK_MODE=copy
RUN python3 -m venv /opt/uv && /opt/uv/bin/pip install --no-cache-dir uv==0.13.8
WORKDIR /source
COPY pyproject.toml constraints*.txt ./
RUN --mount=type=cache,target=/root/.cache/uv \
    python3 -m venv --without-pip /opt/mlm \
    && /opt/uv/bin/uv pip install --python /opt/mlm --compile-bytecode -c "${CONSTRAINTS}" \
        -r pyproject.toml --extra tf "${TENSORFLOW}"

FROM packages AS wheel
COPY LICENSE README.md ./
COPY mlm_core mlm_core
COPY mlm_torch mlm_torch
COPY mlm_tf mlm_tf
RUN --mount=type=cache,target=/root/.cache/uv /opt/uv/bin/uv build --wheel --out-dir /wheel

FROM base
RUN useradd --uid 10001 --create-home mlm \
    && install -d -o mlm -g mlm /cache /work /work/runs
COPY --from=packages /opt/mlm /opt/mlm
RUN --mount=type=bind,from=packages,source=/opt/uv,target=/opt/uv \
    --mount=type=bind,from=wheel,source=/wheel,target=/wheel \
    /opt/uv/bin/uv pip install --python /opt/mlm --no-cache --no-deps /wheel/*.whl \
    && /opt/mlm/bin/python -m compileall -q /opt/mlm/lib/python3*/site-packages/mlm_*
ENV PATH=/opt/mlm/bin:$PATH \
    MLM_BACKEND=tf \
    MLM_CACHE=/cache/mlm \
    HF_HOME=/cache/huggingface \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
# A number: Kubernetes can tell that it is not root.
USER 10001
WORKDIR /work
VOLUME ["/cache", "/work/runs"]
ENTRYPOINT ["mlm"]
CMD ["doctor"]
