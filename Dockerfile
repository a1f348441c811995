# The package in an image of its own; the folder where it is run becomes its working folder.
#
#   docker build -t rdfia .
#   docker run --rm -v "$PWD:/work" --user "$(id -u):$(id -g)" rdfia demo
#
# With a GPU: docker build -t rdfia-gpu --build-arg EXTRAS='[gpu]' . and docker run --gpus all ...
FROM python:3.12-slim
ARG EXTRAS=""
# Grading runs students' code in bubblewrap.
RUN apt-get update && apt-get install -y --no-install-recommends bubblewrap && rm -rf /var/lib/apt/lists/*
COPY pyproject.toml README.md LICENSE /src/
COPY rdfia_keras /src/rdfia_keras
RUN pip install --no-cache-dir "/src${EXTRAS}" && rm -rf /src
# Any user may be asked for; caches need a home that it can write.
ENV HOME=/tmp PYTHONUNBUFFERED=1
WORKDIR /work
ENTRYPOINT ["rdfia"]
CMD ["--help"]
