"""Secrets and personal data in texts: found and counted by kind, never repeated.

A fast search finds candidates: long runs of the characters that tokens are made of, runs of digits,
signs such as `@`. Only those are given to the checks that others maintain: detect-secrets for
tokens and keys, validators for cards, bank accounts and addresses, phonenumbers for telephones.
None of them is asked to verify anything, and no connection is opened.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from finetune.report import Level
from trainingdata.findings import DataFinding

if TYPE_CHECKING:
    from detect_secrets.plugins.base import BasePlugin

_SHORTEST = 20
"""Characters of the shortest token, an AWS access key id."""
_RUN = re.compile(r"[A-Za-z0-9_+/=.:@~-]{20,}")
"""Where tokens are."""
_WINDOW, _OVERLAP = 4096, 512
"""A longer run is looked at in pieces, each token in one of them whole."""
_DIGITS = re.compile(r"[0-9](?:[ ().-]{0,2}[0-9]){7,22}")
_IBAN = re.compile(r"[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b")
_BEFORE_DIGITS = 20
"""Characters of a bank account before its longest run of digits, spaces included."""
_NATIONAL_PHONE = re.compile(r"\(?[0-9]{3}\)?[ .-]{1,2}[0-9]{3}[ .-][0-9]{4}")
_SOCIAL_SECURITY = re.compile(r"(?!000|666|9)[0-9]{3}-(?!00)[0-9]{2}-(?!0000)[0-9]{4}")
"""Numbers that can have been given out; https://www.ssa.gov/employer/randomization.html"""
_MAILBOX = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}\Z")
_DOMAIN = re.compile(r"(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.)+[^\W_]{2,63}")
_BLOCK_BEGINS = ("PRIVATE KEY", "PuTTY-User-Key-File")


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of what should not be trained on."""

    name: str
    what: str
    level: Level
    fix: str

    def finding(self, *, line: int, field: str | None) -> DataFinding:
        """The finding that something of this kind is there."""
        return DataFinding(
            kind=self.name,
            level=self.level,
            message=f"holds what looks like {self.what}",
            fix=self.fix,
            line=line,
            field=field,
        )


def _secret(name: str, what: str) -> Kind:
    return Kind(
        name=f"secret-{name}",
        what=what,
        level="error",
        fix="take it out, and revoke it: a model can repeat what it was trained on",
    )


def _personal(name: str, what: str) -> Kind:
    return Kind(
        name=f"personal-{name}",
        what=what,
        level="warning",
        fix="replace it by an invented one unless the model must know it: it can repeat it",
    )


PRIVATE_KEY = _secret("private-key", "a private key")
AWS_KEY = _secret("aws-key", "an AWS access key")
URL_PASSWORD = _secret("url-password", "a password in a URL")
EMAIL = _personal("email", "an e-mail address")
PHONE = _personal("phone", "a telephone number")
CARD = _personal("card", "the number of a payment card")
IBAN = _personal("iban", "a bank account (IBAN)")
SOCIAL_SECURITY = _personal("social-security", "a US social security number")

_TOKENS = (
    # Module and class in detect_secrets.plugins, and what it finds.
    ("artifactory", "ArtifactoryDetector", _secret("artifactory", "an Artifactory token")),
    ("azure_storage_key", "AzureStorageKeyDetector", _secret("azure-storage", "an Azure key")),
    ("discord", "DiscordBotTokenDetector", _secret("discord", "a Discord token")),
    ("github_token", "GitHubTokenDetector", _secret("github", "a GitHub token")),
    ("gitlab_token", "GitLabTokenDetector", _secret("gitlab", "a GitLab token")),
    ("jwt", "JwtTokenDetector", _secret("jwt", "a JSON Web Token")),
    ("mailchimp", "MailchimpDetector", _secret("mailchimp", "a Mailchimp key")),
    ("npm", "NpmDetector", _secret("npm", "an npm token")),
    ("openai", "OpenAIDetector", _secret("openai", "an OpenAI key")),
    ("pypi_token", "PypiTokenDetector", _secret("pypi", "a PyPI token")),
    ("sendgrid", "SendGridDetector", _secret("sendgrid", "a SendGrid key")),
    ("slack", "SlackDetector", _secret("slack", "a Slack token")),
    ("square_oauth", "SquareOAuthDetector", _secret("square", "a Square secret")),
    ("stripe", "StripeDetector", _secret("stripe", "a Stripe key")),
    ("telegram_token", "TelegramBotTokenDetector", _secret("telegram", "a Telegram token")),
    ("twilio", "TwilioKeyDetector", _secret("twilio", "a Twilio key")),
)


class Scanner:
    """Finds secrets and personal data in texts; loads the checks of others once."""

    def __init__(self) -> None:
        # What others maintain takes most of a second to load, and `--core` does without.
        from importlib import import_module  # noqa: PLC0415

        import phonenumbers  # noqa: PLC0415
        import validators  # noqa: PLC0415

        def plugin(module: str, name: str) -> "BasePlugin":
            made: BasePlugin = getattr(import_module(f"detect_secrets.plugins.{module}"), name)()
            return made

        self._phonenumbers = phonenumbers
        self._validators = validators
        self._tokens = [(plugin(module, name), kind) for module, name, kind in _TOKENS]
        self._aws = plugin("aws", "AWSKeyDetector")
        self._basic_auth = plugin("basic_auth", "BasicAuthDetector")
        self._private_key = plugin("private_key", "PrivateKeyDetector")

    def scan(
        self, texts: Sequence[str], words: Sequence[Sequence[str]]
    ) -> Iterator[tuple[int, Kind]]:
        """Yield each kind that a text holds once, with the text's index.

        `words` are those of each text, parted at white space.
        """
        for index, text in enumerate(texts):
            found: dict[Kind, None] = {}
            self._scan_text(text, words[index], found)
            for kind in found:
                yield index, kind

    def _scan_text(self, text: str, words: Sequence[str], found: dict[Kind, None]) -> None:
        # Tokens are long, and nearly all words are not: most texts are done with here.
        if max(map(len, words), default=0) >= _SHORTEST and _RUN.search(text):
            for match in _RUN.finditer(text):
                self._scan_run(text, match.start(), match.end(), found)
        if "@" in text:
            self._scan_at_signs(text, found)
        for match in _DIGITS.finditer(text):
            self._scan_digits(text, match.start(), match.group(), found)
        for begin in _BLOCK_BEGINS:
            at = text.find(begin)
            if at >= 0 and any(self._private_key.analyze_string(text[max(0, at - 40) : at + 40])):
                found[PRIVATE_KEY] = None

    def _scan_run(self, text: str, start: int, end: int, found: dict[Kind, None]) -> None:
        for begin in range(start, end, _WINDOW - _OVERLAP):
            run = text[begin : min(end, begin + _WINDOW)]
            for plugin, kind in self._tokens:
                if kind not in found and any(plugin.analyze_string(run)):
                    found[kind] = None
            if AWS_KEY not in found:
                # The secret half is told by what is before it, and expected in quotes.
                before = text[max(0, begin - 60) : begin].rstrip("\"' ")
                name, _, value = run.rpartition("=")
                quoted = f"{before}{name}='{value}'"
                if any(self._aws.analyze_string(run)) or any(self._aws.analyze_string(quoted)):
                    found[AWS_KEY] = None

    def _scan_at_signs(self, text: str, found: dict[Kind, None]) -> None:
        at = text.find("@")
        while at >= 0 and not (EMAIL in found and URL_PASSWORD in found):
            before = text[max(0, at - 100) : at]
            if "://" in before:
                if any(self._basic_auth.analyze_string(before + "@")):
                    found[URL_PASSWORD] = None
            elif EMAIL not in found:
                mailbox = _MAILBOX.search(before[-64:])
                domain = _DOMAIN.match(text, at + 1, at + 256)
                if mailbox and domain:
                    address = f"{mailbox.group().lstrip('.')}@{domain.group()}"
                    if self._validators.email(address) is True:
                        found[EMAIL] = None
            at = text.find("@", at + 1)

    def _scan_digits(self, text: str, start: int, run: str, found: dict[Kind, None]) -> None:
        if IBAN not in found:
            self._scan_account(text, start, found)
        digits = "".join(character for character in run if character.isdigit())
        if 13 <= len(digits) <= 19 and CARD not in found and self._is_card(digits):
            found[CARD] = None
            return
        if _SOCIAL_SECURITY.fullmatch(run):
            found[SOCIAL_SECURITY] = None
            return
        if PHONE in found or len(digits) > 15:
            return
        # "+" stands before the number, and in "+(49) 30" before its bracket.
        before = text[max(0, start - 2) : start].rstrip("(")
        if before.endswith("+"):
            self._phone(f"+{digits}", region=None, found=found)
        elif _NATIONAL_PHONE.fullmatch(run) or (
            before != text[max(0, start - 2) : start] and _NATIONAL_PHONE.fullmatch(f"({run}")
        ):
            self._phone(digits, region="US", found=found)

    def _scan_account(self, text: str, start: int, found: dict[Kind, None]) -> None:
        """Look for a bank account around digits: each has eight or more of them in a row."""
        first = max(0, start - _BEFORE_DIGITS)
        for match in _IBAN.finditer(text, first, start + 40):
            before = text[max(0, match.start() - 1) : match.start()]
            if match.end() > start and not before.isalnum():
                number = match.group().replace(" ", "")
                # What follows in capitals may have been taken for a part of it.
                for length in range(len(number), 14, -1):
                    if self._validators.iban(number[:length]) is True:
                        found[IBAN] = None
                        return

    def _is_card(self, digits: str) -> bool:
        validators = self._validators
        brands = (
            validators.visa,
            validators.mastercard,
            validators.amex,
            validators.discover,
            validators.diners,
            validators.jcb,
            validators.unionpay,
        )
        return validators.card_number(digits) is True and any(
            brand(digits) is True for brand in brands
        )

    def _phone(self, number: str, *, region: str | None, found: dict[Kind, None]) -> None:
        try:
            parsed = self._phonenumbers.parse(number, region)
        except self._phonenumbers.NumberParseException:
            return
        if self._phonenumbers.is_possible_number(parsed):
            found[PHONE] = None
