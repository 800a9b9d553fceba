# gtv-cli in a small image: docker build -t gtv . && docker run --rm -v "$PWD":/work gtv compare configs/three-points.toml
FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
RUN cargo build --release --locked -p gtv-cli

FROM debian:bookworm-slim
COPY --from=build /src/target/release/gtv-cli /usr/local/bin/
COPY --from=build /src/configs /usr/local/share/gtv/configs
WORKDIR /work
ENTRYPOINT ["gtv-cli"]
