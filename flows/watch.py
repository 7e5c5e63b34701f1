"""Looks at the watched prices after a refresh, and tells whoever waits."""

from __future__ import annotations

import logging
import smtplib
import ssl
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from gpuledger.core.config import MailSettings, NotifySettings
from gpuledger.core.errors import GPULedgerError, UsageError
from gpuledger.core.files import write_whole
from gpuledger.core.price_watch import FILE, Crossing, PriceWatch, looked, read_watches, watches_text
from gpuledger.core.spec import parse_spec
from gpuledger.core.store.home import Home
from gpuledger.core.store.offers import LatestOffer, OfferQuery, offers
from gpuledger.core.store.publish import open_snapshot
from gpuledger.flows.notify import UNTOLD, deliver, keep_untold, untold_in

LOG = logging.getLogger("gpuledger")
TIMEOUT_SECONDS = 10.0
UNMAILED = "unmailed.jsonl"
"""File of the home with what no mail server took yet."""


def watches(home: Home) -> list[PriceWatch]:
    """Those of a home; none without a file.

    Raises:
        UsageError: the file cannot be read.
    """
    path = home.path / FILE
    try:
        return read_watches(path.read_text(encoding="utf-8"), str(path))
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: {error}") from error


def keep(home: Home, all_of: Sequence[PriceWatch]) -> None:
    """Write them."""
    home.create()
    write_whole(home.path / FILE, watches_text(all_of).encode())


def look(home: Home, *, at: datetime) -> list[Crossing]:
    """Every watched price against the newest snapshot; those that fell below since the last look."""
    before = watches(home)
    if not before:
        return []
    after: list[PriceWatch] = []
    crossings: list[Crossing] = []
    with open_snapshot(home) as connection:
        for watch in before:
            best = _cheapest(connection, watch, at)
            watch, has_crossed = looked(watch, None if best is None else best.usd_per_gpu_hour, at)
            after.append(watch)
            if has_crossed and best is not None:
                crossings.append(
                    Crossing(
                        watch=watch,
                        provider=best.provider,
                        instance_type=best.instance_type,
                        region=best.region,
                    )
                )
    keep(home, after)
    return crossings


def _cheapest(connection: Any, watch: PriceWatch, at: datetime) -> LatestOffer | None:
    """The cheapest fresh offer: a price that is not sure is no reason to wake somebody."""
    spec = parse_spec(watch.gpu)
    query = OfferQuery(
        gpu_ids=spec.gpu_ids,
        min_gpu_count=spec.min_count,
        max_gpu_count=spec.max_count,
        purchase_options=(watch.purchase_option,),
        providers=watch.providers,
        states=("fresh",),
    )
    priced = [offer for offer in offers(connection, query, at=at) if offer.usd_per_gpu_hour is not None]
    return min(priced, key=lambda offer: offer.usd_per_gpu_hour or Decimal(0), default=None)


def look_and_tell(
    home: Home, settings: NotifySettings, environ: Mapping[str, str], *, at: datetime
) -> list[Crossing]:
    """After a refresh: look, tell by webhook and mail. What goes wrong is a line in the log, never the end of it."""
    try:
        crossings = look(home, at=at)
    except GPULedgerError as error:
        LOG.warning("prices were not watched: %s", error)
        return []
    bodies = [crossing.to_body(at) for crossing in crossings]
    if settings.webhook is not None:
        deliver(settings.webhook, bodies, untold=home.path / UNTOLD)
    if settings.mail is not None:
        # what a server did not take goes with the next mail
        waiting = [*untold_in(home.path / UNMAILED), *bodies]
        is_sent = not waiting or send_mail(
            settings.mail, waiting, password=environ.get("GPULEDGER_SMTP_PASSWORD")
        )
        keep_untold(home.path / UNMAILED, [] if is_sent else waiting)
    return crossings


def send_mail(
    settings: MailSettings, bodies: Sequence[Mapping[str, Any]], *, password: str | None = None
) -> bool:
    """One mail with a line for each crossing; whether it was taken."""
    message = EmailMessage()
    message["From"], message["To"] = settings.sender, settings.recipient
    message["Subject"] = bodies[0]["text"][:120]
    message.set_content("\n".join(body["text"] for body in bodies) + "\n")
    try:
        with smtplib.SMTP(settings.host, settings.port, timeout=TIMEOUT_SECONDS) as server:
            if password is not None:
                server.starttls(context=ssl.create_default_context())
                server.login(settings.user or settings.sender, password)
            server.send_message(message)
        return True
    except (OSError, smtplib.SMTPException) as error:
        LOG.warning("no mail was sent: %s", type(error).__name__)
        return False


def removed(all_of: Sequence[PriceWatch], watch_id: str, home: Path) -> list[PriceWatch]:
    """Without one of them.

    Raises:
        UsageError: there is none of that id.
    """
    rest = [watch for watch in all_of if watch.watch_id != watch_id]
    if len(rest) == len(all_of):
        raise UsageError(f"watch: none of id {watch_id!r} in {home}; `gpuledger watch` lists them")
    return rest
