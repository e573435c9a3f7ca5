# Two images: `galaxyloop` (server, worker and all other commands) and `label-studio`, each with the versions that the tests use.
# Neither runs as root. docs/deploy.md lists what was tested and what was not.
ARG PYTHON=3.11-slim-bookworm

FROM python:${PYTHON} AS base
ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 HOME=/tmp
# Both images use the same user id, which owns the files of the volumes.
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /tmp galaxyloop


FROM base AS label-studio
COPY constraints-label-studio.txt /build/
RUN pip install -c /build/constraints-label-studio.txt label-studio
COPY deploy/label-studio.sh deploy/banned_subnets.py /deploy/
RUN install -d -o galaxyloop -g galaxyloop /label-studio
USER galaxyloop
ENV LABEL_STUDIO_BASE_DATA_DIR=/label-studio
EXPOSE 8080
ENTRYPOINT ["sh", "/deploy/label-studio.sh"]
CMD ["label-studio", "start", "--no-browser", "--internal-host", "0.0.0.0", "--port", "8080"]


FROM base AS galaxyloop
# The index of PyTorch's wheels without CUDA, which are much smaller. Empty: PyPI's wheels with CUDA (docker-compose.gpu.yml).
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
WORKDIR /build
COPY constraints.txt ./
RUN pip install -c constraints.txt ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"} torch torchvision \
    && python -c "import torch, torchvision"
COPY pyproject.toml PACKAGE.md LICENSE ./
COPY galaxyloop galaxyloop
COPY backend backend
COPY sync sync
COPY labeling_configs labeling_configs
RUN pip install -c constraints.txt ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"} '.[export,import,pretrain,ray,s3,services,survey]' \
    && rm -rf /build/* \
    && install -d -o galaxyloop -g galaxyloop /data
WORKDIR /data
USER galaxyloop
ENV GALAXYLOOP_DATA_DIR=/data GALAXYLOOP_HOST=0.0.0.0
EXPOSE 9090
ENTRYPOINT ["galaxyloop"]
CMD ["server"]
