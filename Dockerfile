# The sandbox image: Python, torch and torchvision (CPU builds) and the probe. Nothing of a
# course is in it: submissions arrive on stdin when a container runs, so one image serves every task.
#
# `grader run --sandbox docker` builds it on first use, with the torch versions of the trainer.
# By hand, for example on a machine that mirrors its packages:
#   docker build --build-arg BASE_IMAGE=my/python:3.12 --build-arg INDEX_URL= -t grader-sandbox .
ARG BASE_IMAGE=python:3.12-slim-bookworm
FROM ${BASE_IMAGE}

# PyTorch's own index holds the small CPU wheels; an empty value means pip's default index.
ARG INDEX_URL=https://download.pytorch.org/whl/cpu
ARG TORCH=torch
ARG TORCHVISION=torchvision

RUN python3 -m venv /opt/probe \
 && /opt/probe/bin/pip install --no-cache-dir --disable-pip-version-check \
      ${INDEX_URL:+--index-url ${INDEX_URL}} "${TORCH}" "${TORCHVISION}" numpy pillow \
 && /opt/probe/bin/python -c "import torch, torchvision"

COPY grader/sandbox/inside /opt/inside
RUN site="$(/opt/probe/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')" \
 && cp -r /opt/inside "$site/" && chmod -R a+rX "$site/inside"

USER 65534:65534
WORKDIR /tmp
ENTRYPOINT ["/opt/probe/bin/python", "-s", "-P", "-B", "-m", "inside.supervisor"]
