"""The `Link` header of a page (RFC 8288)."""

from fastapi import Request, Response


def link_to_next(request: Request, response: Response, cursor: str | None) -> None:
    """Say where the next page is, if there is one: the same question with its cursor."""
    if cursor is not None:
        address = request.url.include_query_params(cursor=cursor)
        response.headers["Link"] = f'<{address.path}?{address.query}>; rel="next"'
