"""The page for people: its HTML at the addresses of its views, and its files."""

from html import escape
from typing import Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse

from infinitas.server.page.assets import Asset, load_assets

router = APIRouter(include_in_schema=False)
VIEWS: Final = ("tasks", "jobs", "schedules", "workers", "queues", "incidents", "channels", "audit", "tokens")
"""First parts of the addresses that the page itself shows; `/` is the view Now."""
_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
_FIRST_DATA: Final = ("/", "/tasks")
"""Views that draw nothing before they have the tasks: their HTML has browsers ask for them at once."""
_SAFE_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_TASKS: Final = '<link rel="preload" as="fetch" crossorigin href="api/v1/tasks">\n'
_assets = load_assets()


async def show_page(request: Request) -> Response:
    """The HTML of the page; its scripts show the view of the address."""
    root_path = request.scope.get("root_path", "")
    path = request.scope["path"].removeprefix(root_path.rstrip("/"))
    return HTMLResponse(
        _html(root_path, with_tasks=path in _FIRST_DATA),
        headers={**_SAFE_HEADERS, "Content-Security-Policy": _POLICY, "Cache-Control": "no-store"},
    )


for _path in ("/", *(f"/{view}{rest}" for view in VIEWS for rest in ("", "/{rest:path}"))):
    router.add_api_route(_path, show_page, methods=["GET", "HEAD"])


@router.api_route("/static/{version}/{path:path}", methods=["GET", "HEAD"])
async def show_file(version: str, path: str, request: Request) -> Response:
    """A file of the page. Browsers keep it: another content has another address."""
    asset = _assets.files.get(path)
    if asset is None or version != _assets.version:
        return Response(status_code=404)
    return _respond(asset, request.headers.get("accept-encoding", ""))


def _respond(asset: Asset, accepted: str) -> Response:
    headers = {
        **_SAFE_HEADERS,
        "Cache-Control": "public, max-age=31536000, immutable",
        "Vary": "Accept-Encoding",
    }
    if "gzip" in accepted:
        headers["Content-Encoding"] = "gzip"
        return Response(asset.compressed, media_type=asset.media_type, headers=headers)
    return Response(asset.content, media_type=asset.media_type, headers=headers)


def _html(root_path: str, *, with_tasks: bool) -> str:
    base = f"{root_path.rstrip('/')}/"
    folder = f"static/{_assets.version}/"
    template = _assets.files["index.html"].content.decode()
    if not with_tasks:
        template = template.replace(_TASKS, "")
    return template.replace("{base}", escape(base, quote=True)).replace("{folder}", folder)
