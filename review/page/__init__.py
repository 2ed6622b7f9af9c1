"""The reviewer's page: what a review found, and how it came to that, in one file.

The page loads nothing: style and script are in it, and its own content security policy allows no
more than those, by their digests. Everything can be read without the script, which filters tables
and opens what a link leads to.
"""

from __future__ import annotations

import base64
import functools
import hashlib
from datetime import UTC, datetime
from importlib import resources

import jinja2
from markupsafe import Markup

from review.page.content import content_of
from review.report import Report


def render(report: Report, *, made_at: datetime | None = None) -> str:
    """The page of a report, as HTML.

    Args:
        report: Of a review, with its record.
        made_at: When it was made, with a time zone; now unless given.
    """
    style, script = _asset("page.css"), _asset("page.js")
    policy = "; ".join(
        (
            "default-src 'none'",
            f"script-src {_digest(script)}",
            f"style-src {_digest(style)}",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )
    return (
        _environment()
        .get_template("page.html.j2")
        .render(
            content=content_of(report),
            report=report,
            made_at=made_at or datetime.now(tz=UTC).replace(microsecond=0),
            # Both are files of ours, and in raw text elements nothing is to be escaped.
            style=Markup(style),  # noqa: S704
            script=Markup(script),  # noqa: S704
            policy=policy,
        )
    )


@functools.cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FunctionLoader(_asset),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@functools.cache
def _asset(name: str) -> str:
    return resources.files("review.page").joinpath(name).read_text(encoding="utf-8")


def _digest(content: str) -> str:
    digest = hashlib.sha256(content.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
