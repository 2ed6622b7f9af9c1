"""What the errors of a call to a model mean here, and what to do about each.

https://docs.aws.amazon.com/bedrock/latest/userguide/troubleshooting-api-error-codes.html
"""

from typing import Final

from customization.remedies import Remedy

REMEDIES: Final[tuple[Remedy, ...]] = (
    Remedy(
        words=("vpc endpoint policy",),
        cause="the policy of the bedrock-runtime endpoint admits only the invoker, and only what "
        "serves this environment's models",
        action="deploy the network stack again, and look whether the deployment carries the "
        "environment's owner tag",
    ),
    Remedy(
        words=("not authorized to perform", "kms:"),
        cause="the invoker may not decrypt with the model key through Bedrock",
        action="deploy the encryption stack again: the model key's policy names the invoker",
    ),
    Remedy(
        words=("accessdenied",),
        cause="the invoker's role calls models only through the environment's own bedrock-runtime "
        "endpoint, and only what carries the environment's owner tag; from elsewhere it is denied",
        action="call through the invoker function; if this is the invoker, deploy the inference "
        "stack again",
    ),
    Remedy(
        words=("modelnotready",),
        cause="the deployment is active, and not yet ready to answer",
        action="try again in a few minutes",
    ),
    Remedy(
        words=("throttling",),
        cause="more questions in a minute than the quotas of this kind of deployment allow",
        action="try again in a minute; provisioned throughput takes more",
    ),
    *(
        Remedy(
            words=(word,),
            cause="Bedrock itself has trouble",
            action="try again in a few minutes",
        )
        for word in ("serviceunavailable", "internalserver")
    ),
    Remedy(
        words=("resourcenotfound",),
        cause="what served the model is gone",
        action="look with finetune leftovers; deploy the job's stack again to have it deployed",
    ),
    Remedy(
        words=("validation", "converse"),
        cause="this model takes no conversation, as models of images and embeddings do not",
        action="take its smoke tests out of the settings, and call it with InvokeModel",
    ),
    Remedy(
        words=("validation", "maximum tokens"),
        cause="the model answers with fewer tokens than were asked for",
        action="lower max_tokens",
    ),
    Remedy(
        words=("modelerror",),
        cause="the model itself failed at this question",
        action="try another question; if each fails, train again",
    ),
    Remedy(
        words=("modeltimeout",),
        cause="the model took too long",
        action="lower max_tokens, or try again later",
    ),
)
"""Known errors, the more particular before the more general."""


def advice(text: str) -> str:
    """Return the likely cause and remedy of an error text (code and message)."""
    known = next((remedy for remedy in REMEDIES if remedy.tells(text)), None)
    if known is None:
        return (
            "see https://docs.aws.amazon.com/bedrock/latest/userguide/"
            "troubleshooting-api-error-codes.html"
        )
    return f"likely cause: {known.cause}; remedy: {known.action}"
