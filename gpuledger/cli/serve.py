"""Commands that serve others: the page with its REST interface, and the MCP server."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from gpuledger.cli import context
from gpuledger.core.errors import UsageError

Port = Annotated[int, typer.Option(help="Port to listen on; default: 8765, for mcp 8766.", min=1, max=65535)]
Host = Annotated[str, typer.Option(help="Address to listen on; default: loopback.")]
Name = Annotated[
    list[str] | None,
    typer.Option(
        help="Host name that the server answers to beside loopback's. Repeat for several; default: none."
    ),
]
Proxy = Annotated[
    list[str] | None,
    typer.Option(
        help="Address or network of a proxy whose X-Forwarded-For, -Proto and -Prefix are believed. Repeat for "
        "several; default: none."
    ),
]
PrefixOption = Annotated[
    str,
    typer.Option(
        "--path-prefix",
        help="Path below which a proxy serves this server, as /gpu; a trusted proxy's X-Forwarded-Prefix comes "
        "before it; default: none.",
    ),
]


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.command()(serve)
    app.command()(mcp)


def serve(
    port: Port = 8765,
    host: Host = "127.0.0.1",
    workers: Annotated[int, typer.Option(help="Processes that answer; default: 1.", min=1, max=64)] = 1,
    rate: Annotated[
        float,
        typer.Option(help="Requests a second per client and process, 0 for no limit; default: 100.", min=0),
    ] = 100.0,
    name: Name = None,
    proxy: Proxy = None,
    path_prefix: PrefixOption = "",
) -> None:
    """Serve the web page and the REST interface. GPULEDGER_TOKEN makes both ask for a token."""
    with context.answering():
        import os

        context.require("fastapi", "uvicorn", "jinja2", extra="web")
        from gpuledger.web.application import listen
        from gpuledger.web.prefix import checked_prefix

        hosts = _hosts(host, name)
        prefix = checked_prefix(path_prefix)
        with context.ledger().reading():
            pass
        os.environ["GPULEDGER_SERVE_HOME"] = str(context.home().path)
        os.environ["GPULEDGER_SERVE_HOSTS"] = "*" if hosts is None else ",".join(hosts)
        os.environ["GPULEDGER_SERVE_RATE"] = str(rate)
        context.say(f"serving http://{_shown(host)}:{port}{prefix}/ (stop with Ctrl-C)")
        listen(
            "gpuledger.web.application:from_environment",
            host=host,
            port=port,
            workers=workers,
            proxies=_proxies(proxy or ()),
            prefix=prefix,
        )


def mcp(
    http: Annotated[
        bool, typer.Option("--http", help="Serve over HTTP instead of standard input; default: no.")
    ] = False,
    port: Port = 8766,
    host: Host = "127.0.0.1",
    name: Name = None,
    proxy: Proxy = None,
    path_prefix: PrefixOption = "",
) -> None:
    """Serve the ledger's questions as read-only tools to an MCP client."""
    with context.answering():
        context.require("mcp", "uvicorn", extra="mcp")
        from gpuledger.mcp import Listening, run
        from gpuledger.web.prefix import checked_prefix

        listening = None
        if http:
            listening = Listening(
                host=host,
                port=port,
                hosts=_hosts(host, name),
                proxies=_proxies(proxy or ()),
                prefix=checked_prefix(path_prefix),
            )
        with context.ledger().reading():
            pass
        if listening is not None:
            context.say(f"serving http://{_shown(host)}:{port}{listening.prefix}/mcp (stop with Ctrl-C)")
        run(context.home(), http=listening)


def _hosts(host: str, names: Sequence[str] | None) -> tuple[str, ...] | None:
    """Names beside loopback's that a server answers to; None: any."""
    import os

    if not (_is_loopback(host) or names or os.environ.get("GPULEDGER_TOKEN")):
        raise UsageError(
            f"--host {host}: anybody who reaches it could ask; set GPULEDGER_TOKEN to ask for a token, or say with "
            "--name by which name this server is reached"
        )
    return tuple(names or ()) if names or _is_loopback(host) else None


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _proxies(named: Sequence[str]) -> tuple[str, ...]:
    import ipaddress

    for one in named:
        try:
            ipaddress.ip_network(one)
        except ValueError:
            raise UsageError(
                f"--proxy: {one!r} is no address or network, as in 10.0.0.7 or 10.0.0.0/24"
            ) from None
    return tuple(named)


def _is_loopback(host: str) -> bool:
    import ipaddress

    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
