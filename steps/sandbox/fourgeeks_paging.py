"""The CRM's pages: 20 rows in a bare list, or a wrapper as soon as `limit` or `offset` is sent (Pagination)."""

from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlencode

from steps.sandbox.exchange import Answer, Call, Json, html_answer, json_answer, whole_number
from steps.sandbox.modes import Modes

TOO_SLOW = "<!doctype html><html><head><title>Application Error</title></head><body>H12</body></html>"


def page(call: Call, rows: Sequence[Any], shape: Callable[[Any], Json], modes: Modes, *, fresh: bool = True) -> Answer:
    """The rows asked for, each in its JSON shape; only fresh answers (not from the cache) carry the count headers."""
    limit = whole_number(call.query.get("limit"), 0)
    limit = limit if limit > 0 else modes.fourgeeks_default_page
    if modes.fourgeeks_slow_above is not None and limit > modes.fourgeeks_slow_above:
        return html_answer(503, TOO_SLOW)
    offset = max(whole_number(call.query.get("offset"), 0), 0)
    results = [shape(row) for row in rows[offset : offset + limit]]
    links = _links(call, len(rows), limit, offset)
    headers = _headers(links, len(rows), limit, offset) if fresh else {}
    return json_answer(links | {"results": results} if _is_wrapped(call) else results, headers=headers)


def _is_wrapped(call: Call) -> bool:
    if (envelope := call.query.get("envelope", "").lower()) in {"true", "false"}:
        return envelope == "true"
    return bool(call.query.get("limit") or call.query.get("offset"))


def _links(call: Call, count: int, limit: int, offset: int) -> Json:
    """`first` and `previous` are null on the first page, `next` and `last` on the last, which is not page-aligned."""
    more = offset + limit < count
    return {
        "count": count,
        "first": _link(call, limit, 0) if offset else None,
        "next": _link(call, limit, offset + limit) if more else None,
        "previous": _link(call, limit, max(offset - limit, 0)) if offset else None,
        "last": _link(call, limit, count - limit) if more else None,
    }


def _link(call: Call, limit: int, offset: int) -> str:
    others = {name: value for name, value in call.query.items() if name not in {"limit", "offset"}}
    return f"{call.base_url}{call.path}?{urlencode({**others, 'limit': limit, 'offset': offset})}"


def _headers(links: Json, count: int, limit: int, offset: int) -> dict[str, str]:
    named = [f'<{links[name]}>; rel="{name}"' for name in ("first", "previous", "next", "last") if links[name]]
    numbers = {"X-Total-Count": str(count), "X-Per-Page": str(limit), "X-Page": str(offset // limit + 1)}
    return numbers | ({"Link": ", ".join(named)} if named else {})
