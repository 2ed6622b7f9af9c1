"""Secrets and personal data are told by kind and line, never repeated, and nothing is sent."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.data.samples import MAKERS, NOVA, converse, dumped, found_in, good_lines
from trainingdata.sensitive import Scanner

# Written in two parts, so that no scanner of this repository takes them for real ones.
PLANTED: dict[str, list[str]] = {
    "secret-aws-key": [
        "AKIA" + "IOSFODNN7EXAMPLE",
        "the key ASIA" + "Q3EGTOLZ5YXW2ABC is ours",
        "aws_secret_access_key = " + "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        'export AWS_SECRET_KEY="' + 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"',
    ],
    "secret-private-key": [
        "-----BEGIN RSA " + "PRIVATE KEY-----\nMIIE",
        "-----BEGIN " + "PRIVATE KEY-----",
        "-----BEGIN OPENSSH " + "PRIVATE KEY-----",
    ],
    "secret-github": ["ghp_" + "a1B2" * 9, "token: gho_" + "Z9y8" * 9, "(ghs_" + "0aZ9" * 9 + ")"],
    "secret-gitlab": ["glpat-" + "a1B2c" * 4, "gldt-" + "x" * 20, "x glrt-" + "9" * 20],
    "secret-jwt": [
        "eyJhbGciOiJIUzI1NiJ9" + ".eyJzdWIiOiIxIn0.c2ln",
        "Bearer eyJhbGciOiJub25lIn0" + ".eyJhIjoxfQ.",
        "x=eyJhbGciOiJIUzI1NiJ9" + ".eyJzdWIiOiIxMjM0NTY3ODkwIn0.abc",
    ],
    "secret-slack": [
        "xoxb-" + "123456789012-abcdef",
        "xoxp-" + "1-2-3-abcdefghijklmnop",
        "https://hooks.slack.com" + "/services/T0000/B0000/abcd",
    ],
    "secret-stripe": ["sk_live_" + "a1" * 12, "rk_live_" + "b2" * 12, "'sk_live_" + "Z" * 24 + "'"],
    "secret-url-password": [
        "https://user:" + "hunter2@host/path",
        "postgres://admin:" + "s3cret@db:5432/x",
        "clone git+ssh://me:" + "pw@example.com/a.git now",
    ],
    "personal-email": [
        "jane.doe@example.com",
        "<j+x@mail.example.org>",
        "Mail: Ä a_b@xn--p1ai.com.",
    ],
    "personal-phone": [
        "+49 30 901820",
        "call +1 (212) 736-5000 now",
        "(212) 736-5000",
        "212-736-5000",
    ],
    "personal-card": ["4111 1111 1111 1111", "5500-0000-0000-0004", "card 378282246310005."],
    "personal-iban": [
        "GB82 WEST 1234 5698 7654 32",
        "DE89370400440532013000",
        "IBAN: FR14 2004 1010 0505 0001 3M02 606.",
    ],
    "personal-social-security": ["078-05-1120", "SSN 123-45-6789", "(219-09-9999)"],
}
HARMLESS = [
    "2026-11-23 10:00:00, 1,234,567.89 and 3.14159265358979",
    "build 20261123 of version 10.20.30.40, order 12-34",
    "a commit 0123456789abcdef0123456789abcdef01234567",
    "550e8400-e29b-41d4-a716-446655440000",
    "4111 1111 1111 1112 is no card, DE00370400440532013000 no account",
    "a@b, @someone, user@localhost, https://example.com/a:b, https://example.com/@name",
    "000-12-3456 666-12-3456 900-12-3456 123-00-4567 123-45-0000",
    "arn:aws:s3:::a-bucket/a-long-key-with-many-parts/and-more",
    "BEGIN CERTIFICATE and a public key",
    "ask_live_now, eyJ, ghp_short, AKIA",
    "supercalifragilisticexpialidocious" * 3,
    "視野無限廣窗外有藍天" * 20,
]
CASES = [(kind, text) for kind, texts in PLANTED.items() for text in texts]


def kinds(text: str) -> set[str]:
    return {kind.name for _, kind in Scanner().scan([text], [text.split()])}


@pytest.fixture(scope="module", autouse=True)
def no_network() -> Iterator[None]:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a connection was opened")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", refuse)
        patch.setattr(socket.socket, "connect_ex", refuse)
        patch.setattr(socket, "getaddrinfo", refuse)
        yield


@pytest.mark.parametrize(("kind", "text"), CASES)
def test_each_kind_is_found(kind: str, text: str) -> None:
    assert kind in kinds(text)
    assert kind in kinds(f"{'word ' * 2000}{text} {'word ' * 2000}")


@pytest.mark.parametrize("text", HARMLESS)
def test_what_only_looks_alike_is_not_told(text: str) -> None:
    assert kinds(text) == set()


def test_a_token_in_a_long_run_of_letters_is_found() -> None:
    for before in (0, 3590, 4090, 4096, 10_000):
        assert "secret-github" in kinds("x/" * (before // 2) + PLANTED["secret-github"][0])


@pytest.mark.parametrize("format", MAKERS)
def test_kind_line_and_field_are_told_and_never_the_value(format: str, tmp_path: Path) -> None:
    limits, make = MAKERS[format]
    good = good_lines(format, limits.minimum_records)
    for kind, text in CASES[::3]:
        bad = dumped(make(f"see {text} there"))
        for place in (0, 7, len(good)):
            content = b"\n".join([*good[:place], bad, *good[place:]])
            found = found_in(tmp_path, content, limits=limits, core=False)
            (one,) = [one for one in found.findings if one.kind == kind]
            assert one.line == place + 1
            assert one.field
            assert one.level == ("error" if kind.startswith("secret") else "warning")
            assert text not in repr(found.findings)


def test_core_leaves_them_out(tmp_path: Path) -> None:
    lines = [dumped(converse(text, "a")) for _, text in CASES]
    assert found_in(tmp_path, b"\n".join(lines), core=True).counts == {}


def test_escaped_text_is_scanned_as_it_reads(tmp_path: Path) -> None:
    raw = dumped(converse("jane@example.com", "a")).replace(b"@", b"\\u0040")
    found = found_in(tmp_path, b"\n".join([raw, *good_lines("converse", 8)]), core=False)
    assert found.counts == {"personal-email": 1}
    assert NOVA.format == "converse"
