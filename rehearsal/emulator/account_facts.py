"""What an account tells of itself before anything is deployed: zones, endpoints, models, quotas.

MiniStack answers for any account: three zones, other prefix lists, none of our base models, no
quotas. Here the account is one that is ready for the settings, and a file plants what is not so:
`account.json` in the emulator's folder is read at each call, so that a rehearsal can change it.
"""

from __future__ import annotations

import datetime
import json
import zlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from ministack import app
from ministack.core import iam_evaluator
from ministack.core.responses import get_region
from ministack.core.router import extract_access_key_id
from ministack.services import bedrock, ec2, iam, lambda_svc

from rehearsal.bedrock_semantics.errors import ServiceError
from rehearsal.emulator import refusals
from rehearsal.emulator.bedrock import protocol
from rehearsal.emulator.bedrock.records import arn
from rehearsal.emulator.bedrock.service import Service
from rehearsal.emulator.options import BaseModel, Options

ZONES = {"us-east-1": "abcdef", "us-west-2": "abcd"}
"""Zones of the Regions that customize models, unless others are planted."""
_USUAL_ZONES = "abc"
ENDPOINTS = ("bedrock", "bedrock-runtime", "kms")
"""Services with an interface endpoint in every zone, beside MiniStack's."""
QUOTAS = {"L-CB5B847D": 100.0}
"""Bedrock's quota of custom models.
https://docs.aws.amazon.com/general/latest/gr/bedrock.html"""
_OTHER = "amazon.nova-micro-v1:0:128k"
"""Base model of the jobs of others."""
_LISTED = ("FINE_TUNING", "CONTINUED_PRE_TRAINING", "DISTILLATION")
_ACCESS = {
    "agreementAvailability": {"status": "AVAILABLE"},
    "authorizationStatus": "AUTHORIZED",
    "entitlementAvailability": "AVAILABLE",
    "regionAvailability": "AVAILABLE",
}
Answer = Callable[[dict[str, Any]], Any]


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What is so, and what somebody planted."""

    file: Path
    """May be absent. Its keys are the names that `planted` is asked for."""
    models: tuple[BaseModel, ...]
    prefix_lists: Mapping[str, str]

    def planted(self, name: str, otherwise: Any) -> Any:
        """What is planted under a name, or what is so otherwise."""
        try:
            found: dict[str, Any] = json.loads(self.file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return otherwise
        return found.get(name, otherwise)

    def zones(self) -> list[str]:
        """Letters of the zones."""
        return list(self.planted("zones", ZONES.get(get_region(), _USUAL_ZONES)))

    def endpoint_zones(self) -> dict[str, list[str]]:
        """Letters of the zones in which each service takes endpoints."""
        found: dict[str, list[str]] = {name: self.zones() for name in ENDPOINTS}
        found.update({name: list(zones) for name, zones in self.planted("endpoints", {}).items()})
        return {name: zones for name, zones in found.items() if zones}

    def lists(self) -> dict[str, str]:
        """Ids of AWS's prefix lists by their names."""
        known = {**self.prefix_lists, **self.planted("prefix_lists", {})}
        return {f"com.amazonaws.{get_region()}.{name}": value for name, value in known.items()}

    def present(self) -> list[BaseModel]:
        """The base models of the Region."""
        absent = self.planted("absent_models", [])
        return [model for model in self.models if model.model_id not in absent]

    def lifecycle(self, model: BaseModel) -> dict[str, Any]:
        """State of a model."""
        legacy = not model.active or model.model_id in self.planted("legacy_models", [])
        return {"status": "LEGACY" if legacy else "ACTIVE"}

    def customizations(self, model: BaseModel) -> list[str]:
        """Methods of a model that the API has a value for."""
        planted: dict[str, list[str]] = self.planted("customizations", {})
        return planted.get(model.model_id, [one for one in model.customizations if one in _LISTED])


def _install_ec2(facts: Facts) -> None:
    original_regions = ec2._ACTION_MAP["DescribeRegions"]
    original_lists = ec2._ACTION_MAP["DescribeManagedPrefixLists"]

    def zones(parameters: dict[str, Any]) -> Any:
        del parameters
        region = get_region()
        items = "".join(
            f"<item><zoneName>{region}{letter}</zoneName><zoneState>available</zoneState>"
            f"<regionName>{region}</regionName><zoneType>availability-zone</zoneType>"
            f"<zoneId>{ec2._az_id_for_zone_name(region + letter)}</zoneId></item>"
            for letter in facts.zones()
        )
        return ec2._xml(
            200,
            "DescribeAvailabilityZonesResponse",
            f"<availabilityZoneInfo>{items}</availabilityZoneInfo>",
        )

    def regions(parameters: dict[str, Any]) -> Any:
        if not facts.planted("region_not_enabled", otherwise=False):
            return original_regions(parameters)
        region = get_region()
        return ec2._xml(
            200,
            "DescribeRegionsResponse",
            f"<regionInfo><item><regionName>{region}</regionName>"
            "<optInStatus>not-opted-in</optInStatus></item></regionInfo>",
        )

    def services(parameters: dict[str, Any]) -> Any:
        region = get_region()
        wanted = ec2._parse_filters(parameters).get("service-name", [])
        wanted += ec2._parse_member_list(parameters, "ServiceName")
        names, details = "", ""
        for service, letters in facts.endpoint_zones().items():
            name = f"com.amazonaws.{region}.{service}"
            if wanted and name not in wanted:
                continue
            inner = "".join(f"<item>{region}{letter}</item>" for letter in letters)
            names += f"<item>{name}</item>"
            details += (
                f"<item><serviceName>{name}</serviceName><serviceType><item><serviceType>Interface"
                "</serviceType></item></serviceType><availabilityZoneSet>"
                f"{inner}</availabilityZoneSet><owner>amazon</owner></item>"
            )
        return ec2._xml(
            200,
            "DescribeVpcEndpointServicesResponse",
            f"<serviceNameSet>{names}</serviceNameSet>"
            f"<serviceDetailSet>{details}</serviceDetailSet>",
        )

    def lists(parameters: dict[str, Any]) -> Any:
        wanted = ec2._parse_filters(parameters).get("prefix-list-name", [])
        known = facts.lists()
        if not wanted or not set(wanted) <= set(known):
            return original_lists(parameters)
        items = "".join(
            f"<item><prefixListId>{known[name]}</prefixListId><prefixListName>{name}"
            "</prefixListName><state>create-complete</state><ownerId>AWS</ownerId></item>"
            for name in wanted
        )
        return ec2._xml(
            200, "DescribeManagedPrefixListsResponse", f"<prefixListSet>{items}</prefixListSet>"
        )

    ec2._ACTION_MAP["DescribeAvailabilityZones"] = zones
    ec2._ACTION_MAP["DescribeRegions"] = regions
    ec2._ACTION_MAP["DescribeVpcEndpointServices"] = services
    ec2._ACTION_MAP["DescribeManagedPrefixLists"] = lists


def _install_bedrock(facts: Facts, service: Service) -> None:
    original = bedrock.handle_request
    listing, availability, single = (
        "ListFoundationModels",
        "GetFoundationModelAvailability",
        "GetFoundationModel",
    )
    jobs, tags = "ListModelCustomizationJobs", "ListTagsForResource"

    def summary(model: BaseModel) -> dict[str, Any]:
        return {
            "modelArn": arn(f"foundation-model/{model.model_id}"),
            "modelId": model.model_id,
            "modelName": model.model_id.partition(".")[2][:20],
            "providerName": model.model_id.partition(".")[0].capitalize(),
            "customizationsSupported": facts.customizations(model),
            "inferenceTypesSupported": ["PROVISIONED"],
            "modelLifecycle": facts.lifecycle(model),
        }

    def answer(operation: str, path: str) -> dict[str, Any] | None:
        identifier = unquote(path.rsplit("/", 1)[-1])
        known = {model.model_id: model for model in facts.present()}
        if operation == listing:
            return {"modelSummaries": [summary(model) for model in known.values()]}
        if operation == availability:
            access = {**_ACCESS, **facts.planted("access", {}).get(identifier, {})}
            return {"modelId": identifier, **access}
        if identifier in known:
            return {"modelDetails": summary(known[identifier])}
        # Teachers are named without the context length that customization wants.
        longer = [one for one in known.values() if one.model_id.startswith(f"{identifier}:")]
        if longer:
            legacy = identifier in facts.planted("legacy_models", [])
            state = {"status": "LEGACY" if legacy else "ACTIVE"}
            told = {**summary(longer[0]), "modelId": identifier, "modelLifecycle": state}
            return {"modelDetails": told}
        if identifier in facts.planted("absent_models", []):
            raise ServiceError(
                "ResourceNotFoundException",
                f"Could not find model with identifier: {identifier}",
                status=404,
            )
        return None

    def of_others(operation: str, query: Mapping[str, list[str]], body: bytes) -> Any:
        """Jobs that somebody else has in the account, where any are planted; they have no tags."""
        planted: list[str] = facts.planted("jobs_of_others", [])
        arns = {
            name: arn(f"model-customization-job/{_OTHER}/{zlib.crc32(name.encode()):012x}")
            for name in planted
        }
        if operation == tags:
            return {"tags": []} if json.loads(body).get("resourceARN") in arns.values() else None
        part = query.get("nameContains", [""])[0]
        found = [
            {
                "jobName": name,
                "jobArn": identifier,
                "status": "InProgress",
                "baseModelArn": arn(f"foundation-model/{_OTHER}"),
                "creationTime": datetime.datetime.now(tz=datetime.UTC),
            }
            for name, identifier in arns.items()
            if part in name
        ]
        return {"modelCustomizationJobSummaries": found} if planted else None

    async def handle(
        method: str,
        path: str,
        headers: dict[str, str],
        body: bytes,
        query_params: dict[str, list[str]],
    ) -> Any:
        other = protocol.match(method=method, path=path, operations=(jobs, tags))
        if other is not None:
            found = of_others(other, query_params, body)
            if found is not None:
                return protocol.reply(operation=other, answer=found)
        operation = protocol.match(
            method=method, path=path, operations=(listing, availability, single)
        )
        if operation is not None:
            try:
                access = service.access(headers, query_params)
                identifier = unquote(path.rsplit("/", 1)[-1]).rsplit("/", 1)[-1]
                resource = "*" if operation == listing else arn(f"foundation-model/{identifier}")
                access.require(f"bedrock:{operation}", resource)
                found = answer(operation, path)
                if found is not None:
                    return protocol.reply(operation=operation, answer=found)
            except ServiceError as error:
                if error.code != "ResourceNotFoundException":
                    refusals.record(where="bedrock", reason=f"{operation}: {error.message}")
                return protocol.error_reply(error)
        return await original(method, path, headers, body, query_params)

    bedrock.handle_request = handle


def _install_organization(facts: Facts) -> None:
    original = iam._IAM_HANDLERS["SimulatePrincipalPolicy"]

    def simulate(parameters: dict[str, Any]) -> Any:
        status, headers, body = original(parameters)
        refused = set(facts.planted("organization_refuses", []))
        text = body.decode() if isinstance(body, bytes) else str(body)
        for action in refused:
            name = f"<EvalActionName>{action}</EvalActionName>"
            text = text.replace(
                name,
                f"{name}<OrganizationsDecisionDetail><AllowedByOrganizations>false"
                "</AllowedByOrganizations></OrganizationsDecisionDetail>",
            )
        return status, headers, text.encode()

    iam._IAM_HANDLERS["SimulatePrincipalPolicy"] = simulate


def _install_lambda(facts: Facts) -> None:
    original = lambda_svc.handle_request

    async def handle(method: str, path: str, *rest: Any, **named: Any) -> Any:
        limit = facts.planted("concurrent_executions", None)
        if limit is None or method != "GET" or "/account-settings" not in path:
            return await original(method, path, *rest, **named)
        counts = {"ConcurrentExecutions": limit, "UnreservedConcurrentExecutions": limit}
        body = json.dumps({"AccountLimit": counts, "AccountUsage": {}}).encode()
        return 200, {"Content-Type": "application/json"}, body

    lambda_svc.handle_request = handle


Send = Callable[[dict[str, Any]], Awaitable[None]]


def _install_quotas(facts: Facts, *, account: str) -> None:
    original: Any = app.app

    async def quotas(scope: dict[str, Any], receive: Any, send: Send) -> None:
        headers = {
            key.decode("latin-1"): value.decode("latin-1")
            for key, value in scope.get("headers", [])
        }
        if not headers.get("x-amz-target", "").startswith("ServiceQuotasV20190624."):
            await original(scope, receive, send)
            return
        body, more = b"", True
        while more:
            part = await receive()
            body += part.get("body", b"")
            more = part.get("more_body", False)
        # The account and Region of a call are known below MiniStack's own application only.
        caller = iam_evaluator.authenticate(extract_access_key_id(headers, {}) or "", account)
        refused = caller if isinstance(caller, iam_evaluator.AuthError) else None
        asked = json.loads(body or b"{}")
        known = {**QUOTAS, **facts.planted("quotas", {})}
        code = asked.get("QuotaCode")
        status, answer = 200, json.dumps({"Quota": {"QuotaCode": code, "Value": known.get(code)}})
        if refused is not None:
            status, answer = 400, json.dumps({"__type": "AccessDeniedException", "message": "no"})
        elif code not in known:
            error = {"__type": "NoSuchResourceException", "message": f"no quota {code}"}
            status, answer = 400, json.dumps(error)
        content = [(b"content-type", b"application/x-amz-json-1.1")]
        await send({"type": "http.response.start", "status": status, "headers": content})
        await send({"type": "http.response.body", "body": answer.encode()})

    app.app = quotas


def install(*, options: Options, service: Service) -> None:
    """Answer these calls from now on; `service` knows who calls Bedrock, and by which way."""
    facts = Facts(
        file=options.state / "account.json",
        models=options.base_models,
        prefix_lists=options.prefix_lists,
    )
    _install_ec2(facts)
    _install_bedrock(facts, service)
    _install_organization(facts)
    _install_lambda(facts)
    _install_quotas(facts, account=options.account)
