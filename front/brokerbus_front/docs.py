"""/docs: one page of our own that reads /openapi.json; nothing in it comes from elsewhere."""

import base64
import hashlib
import re
from importlib.resources import files

from fastapi import APIRouter
from fastapi.responses import Response


def router() -> APIRouter:
    """/docs."""
    page = (files("brokerbus_front") / "docs.html").read_bytes()
    headers = {"Content-Security-Policy": _policy(page), "X-Content-Type-Options": "nosniff"}
    made = APIRouter()

    @made.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        return Response(page, 200, headers, "text/html; charset=utf-8")

    return made


def _policy(page: bytes) -> str:
    """Only this page's own script and style run, and only this server is asked."""
    rules = [
        "default-src 'none'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
    for tag in ("script", "style"):
        found = re.search(rb"<%s>(.*?)</%s>" % (tag.encode(), tag.encode()), page, re.DOTALL)
        assert found is not None
        digest = base64.b64encode(hashlib.sha256(found[1]).digest()).decode()
        rules.append(f"{tag}-src 'sha256-{digest}'")
    return "; ".join(rules)
