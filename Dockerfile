# An image with everything that `make setup` installs, at the same pins, to run a checkout that is mounted at /project.
#
#   docker build -t lss:cpu .                                   (or: podman build, buildah bud)
#   docker build -t lss:cuda --build-arg TORCH=cuda .           for NVIDIA cards; about 6 GB
#   docker run --rm --user "$(id -u):$(id -g)" -v "$PWD:/project" lss:cpu snakemake --cores 8 all
#   docker run --rm --gpus all --user "$(id -u):$(id -g)" -v "$PWD:/project" lss:cuda snakemake --profile profiles/gpu all
#
# Java (for METEOR) comes as a Python package. Chromium, which only tests use, is not in it.
ARG PYTHON=3.11
FROM python:${PYTHON}-slim-bookworm

# cpu, or cuda: torch's own build for the CPU, or the one that requirements.txt means on a machine with a card
ARG TORCH=cpu
ARG UV=0.13.9
ENV NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/tmp \
    USER=lss
# HOME and USER: the user of `--user` has no entry in the image's list of users, and Snakemake and torch ask for a name

# git: for DVC and for the commit in every manifest. libgomp1: for 4-bit weights on the CPU
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends git libgomp1 make \
 && rm -rf /var/lib/apt/lists/* \
 && git config --system --add safe.directory /project

WORKDIR /project
COPY requirements.txt pyproject.toml README.md LICENSE ./
COPY lss lss
# editable, so that a checkout mounted over /project is the code that runs
RUN pip install --no-cache-dir "uv==${UV}" \
 && if [ "${TORCH}" = cpu ]; then set -- --torch-backend=cpu; fi \
 && uv pip install --system --no-cache "$@" -c requirements.txt -e '.[slurm,kubernetes,s3]' \
 && python -c "import lss, torch; print(torch.__version__)"

COPY . .
CMD ["lss", "--help"]
