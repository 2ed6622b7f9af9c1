"""The stacks of one environment, in the one direction in which they depend on each other."""

from __future__ import annotations

from typing import Any

from aws_cdk import App, Environment, Tags
from aws_cdk import aws_iam as iam
from constructs import Construct

from bedrock_finetuning.naming import Names
from customization.identity import ENVIRONMENT_TAG
from settings import Settings

from .access import AccessStack
from .encryption import EncryptionStack
from .engine import EngineStack
from .identity import IdentityStack
from .inference import InferenceStack
from .job import JobStack
from .network import NetworkStack
from .storage import StorageStack


def build_environment(app: App, *, settings: Settings) -> None:
    """Identity, Encryption, Network, Storage, Access, Engine, Inference, then one stack a job."""
    names = Names(environment=settings.environment, region=settings.region)
    kept = settings.storage.retain
    tags = {ENVIRONMENT_TAG: settings.environment, **settings.tags}
    shared: dict[str, Any] = {
        "settings": settings,
        "names": names,
        "env": Environment(account=settings.account, region=settings.region),
        # CloudFormation passes a stack's tags on to what the library makes without tags of its own.
        "tags": tags,
    }
    foundation: dict[str, Any] = {**shared, "termination_protection": kept}

    identity = IdentityStack(app, names.stack("identity"), **foundation)
    encryption = EncryptionStack(app, names.stack("encryption"), identity=identity, **foundation)
    network = NetworkStack(
        app, names.stack("network"), identity=identity, encryption=encryption, **foundation
    )
    storage = StorageStack(
        app,
        names.stack("storage"),
        identity=identity,
        encryption=encryption,
        network=network,
        **foundation,
    )
    access = AccessStack(
        app,
        names.stack("access"),
        identity=identity,
        encryption=encryption,
        network=network,
        storage=storage,
        **foundation,
    )
    engine = EngineStack(
        app,
        names.stack("engine"),
        identity=identity,
        encryption=encryption,
        network=network,
        **foundation,
    )
    # No value of these passes to the next, but each is needed while the next does its work.
    engine.add_stack_dependency(access, "the submitter needs its permissions")
    engine.add_stack_dependency(storage, "the submitter reaches S3 and DynamoDB through it")

    inference = None
    if settings.inference.enabled:
        inference = InferenceStack(
            app,
            names.stack("inference"),
            identity=identity,
            encryption=encryption,
            network=network,
            storage=storage,
            engine=engine,
            **foundation,
        )
        inference.add_stack_dependency(access, "the functions need their permissions")

    for name, job in settings.jobs.items():
        stack = JobStack(
            app,
            names.stack(f"job-{name}"),
            name=name,
            job=job,
            identity=identity,
            encryption=encryption,
            network=network,
            storage=storage,
            engine=engine,
            inference=inference,
            **shared,
        )
        stack.add_stack_dependency(access, "the job runs with these permissions until it ends")

    if settings.permissions_boundary:
        boundary = _managed_policy(identity, settings.permissions_boundary)
        iam.PermissionsBoundary.of(app).apply(boundary)
    for key, value in tags.items():
        Tags.of(app).add(key, value)


def _managed_policy(scope: Construct, name_or_arn: str) -> iam.IManagedPolicy:
    if name_or_arn.startswith("arn:"):
        return iam.ManagedPolicy.from_managed_policy_arn(scope, "Boundary", name_or_arn)
    return iam.ManagedPolicy.from_managed_policy_name(scope, "Boundary", name_or_arn)
