"""The HTTP API, in process over ASGI, and as a server of its own."""
