"""What the errors about deployments mean here, and what to do about each.

https://docs.aws.amazon.com/bedrock/latest/userguide/prov-thru-purchase.html,
https://docs.aws.amazon.com/bedrock/latest/userguide/deploy-custom-model-on-demand.html,
https://docs.aws.amazon.com/bedrock/latest/userguide/model-lifecycle.html
"""

from typing import Final

from customization import remedies
from customization.remedies import Remedy

REMEDIES: Final[tuple[Remedy, ...]] = (
    Remedy(
        words=("servicequotaexceeded", "model unit"),
        cause="the account has no model units left for this model: none are granted until AWS "
        "Support is asked, with or without a commitment",
        action="ask AWS Support for model units, or set deployment.kind: on_demand where the "
        "catalogue says that the model can",
    ),
    Remedy(
        words=("servicequotaexceeded", "deployment"),
        cause="the account has as many custom model deployments, or as many in progress, as its "
        "quotas allow",
        action="remove deployments that nobody uses (finetune leftovers), or ask for a higher "
        "quota (L-1EF80F3E in all, L-430C95DD in progress)",
    ),
    Remedy(
        words=("servicequotaexceeded", "schedule"),
        cause="the account has as many schedules as its quota allows",
        action="remove schedules that nobody needs, or ask for a higher quota",
    ),
    Remedy(
        words=("servicequotaexceeded",),
        cause="a quota of the account is used up; for provisioned throughput none is granted "
        "until AWS Support is asked",
        action="ask for model units or a higher quota, or remove what nobody uses",
    ),
    Remedy(
        words=("legacy",),
        cause="the base model is Legacy: no provisioned throughput can be bought for it any more",
        action="set deployment.kind: on_demand where the catalogue says that the model can, or "
        "train on a model that is Active",
    ),
    Remedy(
        words=("end of life",),
        cause="the base model is no longer offered",
        action="train on a model that is Active",
    ),
    Remedy(
        words=("2025-07-16",),
        cause="the model was customized before on-demand deployments existed",
        action="train it again (raise the job's run), or set deployment.kind: provisioned",
    ),
    Remedy(
        words=("on-demand", "not supported"),
        cause="this base model, or this Region, cannot serve custom models on demand",
        action="see docs/models.md for what can, or set deployment.kind: provisioned",
    ),
    Remedy(
        words=("not supported",),
        cause="this base model, or this Region, does not serve custom models in this way",
        action="see docs/models.md for what does, and change deployment.kind",
    ),
    Remedy(
        words=("commitment",),
        cause="throughput with a commitment cannot be deleted before the commitment ends",
        action="wait for its end, when it is removed by itself; it is paid until then",
    ),
    Remedy(
        words=("name is currently in use",),
        cause="a deployment of this name exists already",
        action="delete what holds the name, or change the job's deployment",
    ),
    Remedy(
        words=("not authorized to perform", "kms:"),
        cause="the model key's policy does not let the deployer use the model",
        action="deploy the encryption and access stacks again",
        passing=True,
    ),
)
"""Known errors, the more particular before the more general."""


def find(text: str) -> Remedy | None:
    """Return what is known about an error text (code and message), or None."""
    own = next((remedy for remedy in REMEDIES if remedy.tells(text)), None)
    return own or remedies.find(text)


def advice(text: str) -> str:
    """Return the likely cause and remedy of an error text, or what to read when it is new."""
    known = find(text)
    if known is None:
        return (
            "see https://docs.aws.amazon.com/bedrock/latest/userguide/model-customization-use.html"
        )
    return f"likely cause: {known.cause}; remedy: {known.action}"


def is_passing(text: str) -> bool:
    """Return whether an error may go away once IAM and KMS have spread a change."""
    known = find(text)
    return known is not None and known.passing
