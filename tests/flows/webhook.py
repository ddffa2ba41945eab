"""Where a Prefect server's notifications arrive in a test: HTTP on loopback, and the block that leads to it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from prefect.blocks.notifications import CustomWebhookNotificationBlock


@dataclass
class Webhook:
    """What has arrived so far."""

    url: str
    posts: list[dict[str, Any]] = field(default_factory=list)

    @property
    def subjects(self) -> list[str]:
        """Of the messages, as they came."""
        return [post["subject"] for post in self.posts]

    def body(self, subject: str) -> str:
        """Of the one message with this subject."""
        (found,) = (post["body"] for post in self.posts if post["subject"] == subject)
        return str(found)

    def save_block(self, name: str) -> str:
        """Save a notification block that leads here on the Prefect server in use. Returns its slug."""
        block = CustomWebhookNotificationBlock(
            name=name, url=self.url, json_data={"subject": "{{subject}}", "body": "{{body}}"}
        )
        block.save(name, overwrite=True)
        return f"{block.get_block_type_slug()}/{name}"


@contextmanager
def listening() -> Iterator[Webhook]:
    """A webhook in the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            post = json.loads(self.rfile.read(length))
            if "title" in post:  # Apprise's JSON
                post = {"subject": post["title"], "body": post["message"]}
            webhook.posts.append(post)
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        webhook = Webhook(f"http://127.0.0.1:{server.server_port}")
        thread = Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield webhook
        server.shutdown()
        thread.join()
