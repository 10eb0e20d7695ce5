"""Swagger UI at /docs, offline, with the cast's tokens ready to try, and the documents that it shows."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from mockserver.control import DOCUMENT as CONTROL
from mockserver.control import PATH

if TYPE_CHECKING:
    from mockserver.app import MockServer
    from mockserver.sandboxes import Sandbox

ASSETS = {
    "swagger-ui.css": "text/css",
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui-standalone-preset.js": "text/javascript",
    "favicon-32x32.png": "image/png",
}
DOCUMENT = "/openapi.json"
"""Where an API's document is served, below its base path."""
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>doubleentry</title>
<link rel="stylesheet" href="docs/swagger-ui.css">
<link rel="icon" href="docs/favicon-32x32.png">
<style>
#cast { font: 14px sans-serif; padding: 10px 20px; background: #1b1b1b; color: #fff; }
#cast select, #cast input { font: inherit; margin: 0 24px 0 8px; }
</style>
</head>
<body>
<div id="cast"><label>Try as<select id="caller"></select></label>
<labelHIDDEN>Admin token, for the server itself<input id="admin" type="password" autocomplete="off"
  size="36" placeholder="the server's banner shows it"></label></div>
<div id="ui"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/swagger-ui-standalone-preset.js"></script>
<script>
const cast = CAST, urls = URLS;
const choice = document.getElementById("caller"), admin = document.getElementById("admin");
for (const url of urls.filter((url) => url.api)) {
  const group = document.createElement("optgroup");
  group.label = url.name;
  for (const each of cast.filter((each) => each.api === url.api))
    group.append(new Option(each.name + " (" + each.api + ", " + each.role + ")", each.token));
  choice.append(group);
}
function authorize() {
  const shown = urls.find((url) => url.url === new URL(ui.specSelectors.url(), location).pathname);
  for (const scheme of shown.schemes) ui.preauthorizeApiKey(scheme, choice.value);
}
function offer() {
  // A token is one API's: the callers of the one that is shown come first, and the others cannot be chosen.
  const at = urls.findIndex((url) => url.url === new URL(ui.specSelectors.url(), location).pathname);
  const groups = [...choice.querySelectorAll("optgroup")];
  groups.forEach((group) => { group.disabled = group.label !== urls[at].name; });
  const own = groups.find((group) => !group.disabled);
  if (!own) return;  // the server itself, which asks for no caller
  choice.prepend(own);
  if (!own.contains(choice.selectedOptions[0])) choice.value = own.firstChild ? own.firstChild.value : "";
  authorize();
}
const ui = SwaggerUIBundle({
  urls, dom_id: "#ui", deepLinking: true, docExpansion: "none", persistAuthorization: false, filter: true,
  presets: [SwaggerUIBundle.presets.apis, SwaggerUIStandalonePreset], layout: "StandaloneLayout",
  onComplete: offer,
  requestInterceptor: (request) => {
    const at = new URL(request.url, location);
    if (at.origin !== location.origin || !at.pathname.startsWith("PATH/")) return request;
    if (admin.value) request.headers.Authorization = "Bearer " + admin.value.trim();
    // Whoever reads the page of a sandbox means that one, and not the default one.
    if ("SANDBOX" && !request.loadSpec) request.headers["Mock-Sandbox"] = "SANDBOX";
    return request;
  },
});
choice.onchange = authorize;
admin.onchange = () => {
  const own = urls.find((url) => !url.api), shown = new URL(ui.specSelectors.url(), location).pathname;
  if (shown === own.url) ui.specActions.download(own.url);
};
</script>
</body>
</html>
"""


def add(app: MockServer) -> None:
    """Register the page, its assets and every API's document on the application."""
    from mockserver.pipeline import SANDBOX  # which needs to know where the documents are

    documents = {service.api.conventions.base + DOCUMENT: service.api for service in app.services.values()}

    async def page(request: Request) -> Response:
        # A token leads to the sandbox by itself, whichever document is shown.
        sandbox: Sandbox = request.scope["extensions"][SANDBOX]
        cast = [
            {
                "name": each.name,
                "api": each.api,
                "role": each.role or "own permissions",
                "token": sandbox.token(each.name),
            }
            for callers in sandbox.base.callers.values()
            for each in callers.values()
        ]
        urls = [
            {"url": url, "name": api.conventions.title, "api": api.name, "schemes": _bearers(api.document)}
            for url, api in documents.items()
        ]
        urls.append({"url": CONTROL, "name": "the server itself", "api": "", "schemes": []})
        made = PAGE.replace("PATH", PATH).replace("HIDDEN", " hidden" if app.control.admin is None else "")
        made = made.replace("SANDBOX", sandbox.name if sandbox.prefix else "")
        return Response(made.replace("CAST", _script(cast)).replace("URLS", _script(urls)), media_type="text/html")

    async def asset(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in ASSETS:
            return Response("no such asset", 404, media_type="text/plain")
        return Response(_asset(name), media_type=ASSETS[name], headers={"Cache-Control": "max-age=86400"})

    async def home(request: Request) -> Response:
        sandbox: Sandbox = request.scope["extensions"][SANDBOX]
        return RedirectResponse(f"{sandbox.prefix}/docs")

    app.add_url_rule("/", "home", home, methods=["GET"])
    app.add_url_rule("/docs", "docs", page, methods=["GET"])
    app.add_url_rule("/docs/{name}", "asset", asset, methods=["GET"])


def _bearers(document: Mapping[str, Any]) -> list[str]:
    """The names under which a document asks for a bearer token."""
    schemes = document["components"].get("securitySchemes", {})
    return [name for name, each in schemes.items() if each.get("scheme", "").lower() == "bearer"]


def _script(value: object) -> str:
    """JSON that may stand in a script element, whatever names a scenario holds."""
    return orjson.dumps(value).decode().replace("<", "\\u003c")


@cache
def _asset(name: str) -> bytes:
    from swagger_ui_bundle import swagger_ui_path

    return (Path(swagger_ui_path) / name).read_bytes()
