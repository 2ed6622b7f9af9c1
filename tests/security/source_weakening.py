"""The issue's own words: remove every security-relevant keyword argument and statement in turn.

Done to the source: a module is parsed, one keyword argument of a call, one policy statement of a
list, or one call that stands as a statement is taken out, and the app is imported and synthesised
with the module as it then is. The files stay as they are. It has to fail, or a control to notice.

Starting jsii costs a second and a synth half of one, so a few worker processes live as long as the
run does and import the app's modules anew for each.
"""

from __future__ import annotations

import ast
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import multiprocessing
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import CodeType, ModuleType
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
PACKAGES: Final = {
    "bedrock_finetuning": ROOT / "constructs" / "bedrock_finetuning",
    "stacks": ROOT / "stacks",
}

SECURITY_KEYWORDS: Final = frozenset(
    {
        # encryption
        "bucket_key_enabled", "bucket_users", "customModelKmsKeyId", "enable_key_rotation",
        "encryption", "encryption_key", "encryption_master_key", "enforce_ssl", "key", "keys",
        "master_key", "minimum_tls_version", "pending_window", "queue_senders", "table_users",
        "topic_publishers",
        # storage
        "access_logs", "block_public_access", "deletion_protection", "lifecycle_rules",
        "object_ownership", "point_in_time_recovery_enabled",
        "point_in_time_recovery_specification", "removal_policy", "server_access_logs_bucket",
        "server_access_logs_prefix", "time_to_live_attribute", "users", "versioned",
        # identity and access
        "actions", "assumed_by", "conditions", "effect", "people", "policy",
        "policy_document", "principal", "principals", "resources", "role", "role_name", "roles",
        "service", "source_account", "source_arn", "statements", "without_policy_updates",
        # network
        "cidr_block", "create_internet_gateway", "destination_prefix_list_id",
        "destination_security_group_id", "enable_dns_hostnames", "enable_dns_support",
        "from_port", "group_id", "ip_protocol", "map_public_ip_on_launch", "nat_gateways",
        "prefix_lists", "private_dns_enabled", "restrict_default_security_group",
        "route_table_id", "route_table_ids", "security_group", "security_group_egress",
        "security_group_ids", "security_groups", "source_security_group_id", "subnet_configuration",
        "subnet_ids", "subnets", "to_port", "traffic_type", "vpc", "vpc_endpoint_type", "vpc_id",
        "vpc_subnets",
        # logs, events and what failed
        "comparison_operator", "dead_letter_config", "dead_letter_queue",
        "deliver_logs_permission_arn", "dimensions_map", "evaluation_periods", "event_pattern",
        "every", "expression", "follow_every", "follower", "log_destination_type", "log_group",
        "log_group_name", "log_retention", "max_aggregation_interval", "max_event_age", "metric",
        "metric_name",
        "namespace", "period", "resource_id", "resource_type", "retention", "retention_period",
        "retry_attempts", "rule_arns", "schedule_expression", "statistic", "targets", "threshold",
        "topic", "treat_missing_data", "undelivered", "using_metrics",
        # functions and jobs
        "environment", "follower_role", "follower_table_actions",
        "framework_complete_and_timeout_role", "framework_on_event_role", "max_jobs_in_progress",
        "properties", "reserved_concurrency", "reserved_concurrent_executions", "service_timeout",
        "service_token", "timeout", "total_timeout", "termination_protection",
    }
)  # fmt: skip
"""Names of keyword arguments that decide something about security."""

STATEMENT_MAKERS: Final = frozenset({"Allow", "deny", "_used_by", "_invoke"})
"""What makes a policy statement."""

NOT_SECURITY: Final = frozenset(
    {
        "CfnOutput",
        "_acknowledge_waiter",
        "_name",
        "acknowledge",
        "acknowledge_function",
        "acknowledge_outside_the_vpc",
    }
)
"""Calls that are left alone: without an acknowledgement the packs fail synth, which is shown where
the packs are, and outputs and names for the console decide nothing about security."""


@dataclass(frozen=True, kw_only=True)
class Removal:
    """One thing to take out of one module, found again by its place in the syntax tree."""

    module: str
    line: int
    number: int
    what: str
    """Readable and stable: the function it is in, and what is taken from it."""

    def __str__(self) -> str:
        return f"{self.module}: {self.what}"


def removals() -> list[Removal]:
    """Everything to take out, module by module."""
    return [
        removal
        for package, folder in PACKAGES.items()
        for file in sorted(folder.glob("*.py"))
        for removal in _of_module(f"{package}.{file.stem}", file)
        if file.stem not in {"__init__", "gates", "acknowledgements", "function_assets"}
    ]


def _of_module(module: str, file: Path) -> Iterator[Removal]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    for number, (node, what, _) in enumerate(_candidates(tree)):
        yield Removal(module=module, line=getattr(node, "lineno", 0), number=number, what=what)


Candidate = tuple[ast.AST, str, tuple[ast.AST, str, int]]


def _candidates(tree: ast.Module) -> Iterator[Candidate]:
    """The node, what it is, and where it hangs: parent, field and place."""
    for scope, parent in _walk(tree, ""):
        if isinstance(parent, ast.Call):
            callee = _callee(parent)
            for index, keyword in enumerate(parent.keywords):
                if keyword.arg in SECURITY_KEYWORDS and callee not in NOT_SECURITY:
                    label = f"{scope}: {callee}({_sid(parent)}{keyword.arg}=)"
                    yield keyword, label, (parent, "keywords", index)
        for name in ("elts", "body"):
            children = getattr(parent, name, None)
            if not isinstance(children, list):
                continue
            for index, child in enumerate(children):
                inner = child.value if isinstance(child, ast.Expr | ast.Starred) else child
                if not isinstance(inner, ast.Call):
                    continue
                callee = _callee(inner)
                statement = isinstance(child, ast.Expr) and callee not in {
                    "super().__init__",
                    *NOT_SECURITY,
                }
                element = name == "elts" and (callee in STATEMENT_MAKERS or "statement" in callee)
                if statement or element:
                    label = f"{scope}: {callee}({_sid(inner).rstrip(', ')})"
                    yield child, label, (parent, name, index)


def _walk(node: ast.AST, scope: str) -> Iterator[tuple[str, ast.AST]]:
    yield scope, node
    for child in ast.iter_child_nodes(node):
        inner = scope
        if isinstance(child, ast.ClassDef | ast.FunctionDef):
            inner = f"{scope}.{child.name}".lstrip(".")
        yield from _walk(child, inner)


def _callee(call: ast.Call) -> str:
    text = ast.unparse(call.func)
    return text if text.startswith("super()") else text.rsplit(".", maxsplit=1)[-1]


def _sid(call: ast.Call) -> str:
    """What tells two calls of one function apart: the Sid, the id, or the first argument's text."""
    for keyword in call.keywords:
        if keyword.arg in {"sid", "id"} and isinstance(keyword.value, ast.Constant):
            return f"{keyword.value.value!s}, "
    for argument in call.args:
        if isinstance(argument, ast.Constant | ast.JoinedStr | ast.Name):
            text: str = ast.unparse(argument).strip("'\"")
            if text not in {"self", "scope", "id"}:
                return f"{text}, "
    return ""


def without(removal: Removal) -> CodeType:
    """The module's code without the one thing."""
    package, _, name = removal.module.partition(".")
    file = PACKAGES[package] / f"{name}.py"
    tree = ast.parse(file.read_text(encoding="utf-8"))
    _, what, (parent, field, index) = list(_candidates(tree))[removal.number]
    if what != removal.what:
        raise LookupError(f"{file.name} has changed since the removals were listed")
    children = getattr(parent, field)
    del children[index]
    if field == "body" and not children:
        children.append(ast.Pass())
    return compile(ast.fix_missing_locations(tree), str(file), "exec")


class _Weakened(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports one module from code that is given, and leaves all others alone."""

    def __init__(self, name: str, code: CodeType) -> None:
        self._name, self._code = name, code

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self._name:
            return None
        file = self._code.co_filename
        return importlib.util.spec_from_file_location(fullname, file, loader=self)

    def exec_module(self, module: ModuleType) -> None:
        exec(self._code, module.__dict__)  # noqa: S102 - our own source, less one thing


@cache
def _baseline(environment: str) -> frozenset[str]:
    return frozenset(_synthesised_findings(environment))


def _synthesised_findings(environment: str) -> set[str]:
    """What the controls find on the app as its modules now are."""
    from tests.security.controls import findings  # noqa: PLC0415 - needs the worker's import path

    for name in [each for each in sys.modules if each.split(".")[0] in {"app", *PACKAGES}]:
        del sys.modules[name]
    # Imported anew each time, and with it the app.
    sys.modules.pop("tests.security.synthesis", None)
    synthesis = importlib.import_module("tests.security.synthesis")
    with tempfile.TemporaryDirectory() as folder:
        directory = ROOT / "config"
        if environment != "dev":
            directory = Path(folder) / "config"
            values = {
                "option": synthesis.EVERY_OPTION,
                "methods": synthesis.EVERY_METHOD,
                "served": synthesis.WITH_INFERENCE,
            }
            synthesis.write_settings(directory, environment, values[environment])
        return findings(
            synthesis.synthesise(
                environment=environment, directory=directory, outdir=Path(folder) / "out"
            )
        )


def noticed(removal: Removal) -> str:
    """What notices that the thing is gone: an exception or a finding; empty when nothing does.

    What dev does not notice is tried with settings that take the other side of every option, with
    those that have a job of each method, and with those whose models are served.
    """
    os.environ["CDK_VALIDATION"] = "false"
    for environment in ("dev", "option", "methods", "served"):
        before = _baseline(environment)
        finder = _Weakened(removal.module, without(removal))
        sys.meta_path.insert(0, finder)
        try:
            new = _synthesised_findings(environment) - before
        except Exception as error:  # whatever it is, synth fails
            return f"{type(error).__name__}: {error}"
        finally:
            sys.meta_path.remove(finder)
        if new:
            return min(new)
    return ""


def survivors(chosen: Sequence[Removal], *, workers: int) -> list[Removal]:
    """The removals that nothing notices."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        verdicts = pool.map(noticed, chosen, chunksize=8)
        return [removal for removal, verdict in zip(chosen, verdicts, strict=True) if not verdict]
