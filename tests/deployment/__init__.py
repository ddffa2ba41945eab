"""What Dockerfile, compose.yaml and the recipes of docs/deployment say, checked and started, without a container."""
