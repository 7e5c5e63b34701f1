"""Logging in and out. The cookie holds a keyed hash, not the token; the question survives as `next`."""

from __future__ import annotations

from urllib.parse import parse_qsl

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from gpuledger.web.access import COOKIE, Token, own_path
from gpuledger.web.page.frame import plain_page
from gpuledger.web.prefix import path_prefix, prefixed


def add_session(app: FastAPI) -> None:
    """Add the routes."""
    app.add_api_route("/login", login_form, methods=["GET"], include_in_schema=False)
    app.add_api_route("/login", login, methods=["POST"], include_in_schema=False)
    app.add_api_route("/logout", logout, methods=["POST"], include_in_schema=False)


def login_form(request: Request) -> Response:
    """Asks for the token, once per browser."""
    after = own_path(request.query_params.get("next"))
    return plain_page(request, "login.html", "login", {"is_refused": False, "after": after})


async def login(request: Request) -> Response:
    """A cookie for the right token, and on to where the question was."""
    inputs = dict(parse_qsl((await request.body()).decode("utf-8", "replace")))
    token, after = Token(request.app.state.settings.token), own_path(inputs.get("next"))
    if not token.is_set or not token.opens(inputs.get("token", "")):
        return plain_page(request, "login.html", "login", {"is_refused": True, "after": after}, 401)
    answer = RedirectResponse(prefixed(after), 303)
    # lax: a link of another site is a question like a typed address; what changes anything is refused from there
    answer.set_cookie(
        COOKIE,
        token.cookie_value,
        path=path_prefix() or "/",
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https",
    )
    return answer


def logout(request: Request) -> Response:
    """Forget the cookie."""
    answer = RedirectResponse(prefixed("/login"), 303)
    answer.delete_cookie(
        COOKIE, path=path_prefix() or "/", httponly=True, samesite="lax", secure=request.url.scheme == "https"
    )
    return answer
