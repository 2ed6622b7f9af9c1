"""The settings of one environment: what a person decides, with safe defaults.

Every model is frozen, refuses unknown fields and takes keyword arguments only. The docstrings under
the fields are the descriptions in `config/settings.schema.json`, which editors show.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import Annotated, Any, Literal, Self, TypeAlias, TypeVar

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    SerializerFunctionWrapHandler,
    ValidationInfo,
    WithJsonSchema,
    WrapSerializer,
    field_validator,
    model_validator,
)

from settings import checks, names, training_checks
from settings.base_models import CustomizationType, FoundationModel, foundation_models
from settings.budget import Budget
from settings.checks import Context, Problem
from settings.datasets import DatasetLock
from settings.deployment import Deployment, Inference, check_deployment
from settings.methods import KEY_SCHEMA, Distillation, InvocationLogs, Reinforcement
from settings.prefix_lists import managed_prefix_list
from settings.section import Section

RetentionDays: TypeAlias = Annotated[Literal[
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922,
    3288, 3653,
], BeforeValidator(checks.refuse_boolean)]  # fmt: skip
"""Days CloudWatch Logs can keep a log group's events.
https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html"""

_PRINCIPAL = {
    "type": "string",
    "pattern": "^(arn:[a-z0-9-]+:iam::[0-9]{12}:)?(role|user)/.+$",
    "examples": ["role/finetune-engineer"],
}
_ZONE = {"type": "string", "pattern": "^[a-p]$"}
_TAG_SCHEMA = {
    "type": "object",
    "propertyNames": {
        "minLength": 1,
        "maxLength": 128,
        "not": {"pattern": "^([Aa][Ww][Ss]|[Ff][Ii][Nn][Ee][Tt][Uu][Nn][Ee]):"},
    },
    "additionalProperties": {"type": "string", "maxLength": 256},
    "maxProperties": checks.MAXIMUM_TAGS,
}

_Value = TypeVar("_Value")


def _read_only(value: Mapping[str, _Value]) -> Mapping[str, _Value]:
    """A view that nobody can change, as the models are frozen."""
    return MappingProxyType(dict(value))


def _nothing() -> Mapping[str, Any]:
    return MappingProxyType({})


def _as_dict(value: Mapping[str, object], serialize: SerializerFunctionWrapHandler) -> object:
    """Give pydantic's serializer the dictionary it expects behind a read-only view."""
    return serialize(dict(value))


Tags: TypeAlias = Annotated[
    Mapping[str, str],
    BeforeValidator(checks.check_tags),
    AfterValidator(_read_only),
    WrapSerializer(_as_dict),
    WithJsonSchema(_TAG_SCHEMA),
]
JobTags: TypeAlias = Annotated[
    Mapping[str, str],
    BeforeValidator(checks.check_job_tags),
    AfterValidator(_read_only),
    WrapSerializer(_as_dict),
    WithJsonSchema(_TAG_SCHEMA),
]
Principals: TypeAlias = Annotated[
    tuple[str, ...],
    BeforeValidator(checks.check_principals),
    WithJsonSchema({"type": "array", "items": _PRINCIPAL}),
]
SomePrincipals: TypeAlias = Annotated[
    tuple[str, ...],
    BeforeValidator(partial(checks.check_principals, minimum=1)),
    WithJsonSchema({"type": "array", "items": _PRINCIPAL, "minItems": 1}),
]


class Network(Section):
    """The private network jobs train in: isolated subnets, endpoints, flow logs."""

    cidr: Annotated[
        str,
        AfterValidator(checks.check_cidr),
        WithJsonSchema(
            {
                "type": "string",
                "pattern": r"^([0-9]{1,3}\.){3}[0-9]{1,3}/(1[6-9]|2[01])$",
                "examples": ["10.40.0.0/16"],
            }
        ),
    ] = "10.40.0.0/16"
    """Private IPv4 network of the VPC, /16 to /21. It is cut into 32 equal slots: 16 for training
    subnets and 16 for service subnets, one for each zone letter, so that a zone can be added or
    dropped without moving the others."""
    training_zones: Annotated[
        tuple[str, ...],
        BeforeValidator(partial(checks.check_zones, minimum=1)),
        WithJsonSchema(
            {
                "type": "array",
                "items": _ZONE,
                "minItems": 1,
                "maxItems": 16,
                "uniqueItems": True,
            }
        ),
    ] = ("a", "b", "c", "d", "e", "f")
    """Letters of the Availability Zones with a training subnet. List all zones of the Region:
    Bedrock chooses among them, and jobs were reported to fail with some of them only."""
    service_zones: Annotated[
        tuple[str, ...],
        BeforeValidator(partial(checks.check_zones, minimum=2)),
        WithJsonSchema(
            {
                "type": "array",
                "items": _ZONE,
                "minItems": 2,
                "maxItems": 16,
                "uniqueItems": True,
            }
        ),
    ] = ("a", "b")
    """Letters of the Availability Zones with a service subnet: interface endpoints and functions.
    An interface endpoint costs by the hour in each."""
    s3_prefix_list_id: str | None = Field(default=None, validate_default=True)
    """Id of the prefix list AWS manages for S3 in the Region; null takes it from the committed
    table, settings/prefix_lists.yaml."""
    dynamodb_prefix_list_id: str | None = Field(default=None, validate_default=True)
    """Id of the prefix list AWS manages for DynamoDB in the Region; null takes it from the
    committed table, settings/prefix_lists.yaml."""
    scoped_s3_endpoint_policy: bool = True
    """Whether the S3 endpoint lets through exactly the prefixes and actions a job needs. No AWS
    page says that a job needs no other bucket: if one fails while downloading, try false."""
    flow_log_retention_days: RetentionDays = 365
    """Days to keep the flow logs of all traffic in the VPC."""

    @field_validator("s3_prefix_list_id")
    @classmethod
    def _s3_prefix_list(cls, value: str | None, info: ValidationInfo) -> str | None:
        return checks.check_prefix_list(value, info, service="s3")

    @field_validator("dynamodb_prefix_list_id")
    @classmethod
    def _dynamodb_prefix_list(cls, value: str | None, info: ValidationInfo) -> str | None:
        return checks.check_prefix_list(value, info, service="dynamodb")

    def s3_prefix_list(self, region: str) -> str:
        """Id of the S3 prefix list in a Region: the setting, or the committed table."""
        return self._resolved(
            self.s3_prefix_list_id, managed_prefix_list(region=region, service="s3")
        )

    def dynamodb_prefix_list(self, region: str) -> str:
        """Id of the DynamoDB prefix list in a Region: the setting, or the committed table."""
        return self._resolved(
            self.dynamodb_prefix_list_id, managed_prefix_list(region=region, service="dynamodb")
        )

    @staticmethod
    def _resolved(setting: str | None, table: str | None) -> str:
        identifier = setting or table
        if identifier is None:
            raise LookupError("prefix list unknown: the loader refuses such settings")
        return identifier


class Keys(Section):
    """The two customer managed keys: one for data, one for models."""

    pending_window_days: int = Field(default=30, ge=7, le=30)
    """Days between asking KMS to delete a key and its deletion."""
    direct_kms: bool = False
    """Whether the customization role may call KMS itself, through the VPC's KMS endpoint, beside
    the calls S3 and Bedrock make for it. No AWS page says that a job needs it: if one fails with
    AccessDenied of KMS, try true."""
    submitter_uses_model_key: bool = True
    """Whether the function that submits jobs may have Bedrock use the model key on its behalf. No
    AWS page says whether the caller needs the key beside the job's role; false is tighter, if it
    works in your account."""
    deployer_uses_model_key: bool = True
    """Whether the function that deploys models may have Bedrock use the model key on its behalf, as
    AWS asks of callers whose model is encrypted. False is tighter, if it works in your account.
    Without `inference.enabled` it changes nothing."""
    throughput: Literal["account", "documented", "none"] = "account"
    """How Bedrock itself may use the model key while it prepares provisioned throughput, which an
    older AWS page asks for with Nova models: `documented` is that page's statement, `account` the
    same for requests of this account only, `none` leaves it out. If throughput fails with
    AccessDenied of KMS, try documented. Without `inference.enabled` it changes nothing."""


class Storage(Section):
    """The data bucket and its access logs."""

    retain: bool = True
    """Whether data, keys and logs stay when the stacks are destroyed. False deletes them."""
    require_endpoint: bool = True
    """Whether the bucket denies the customization role outside this VPC's S3 endpoint. No AWS page
    says whether Bedrock checks the data through the VPC before a job: if a job fails with "Could
    not validate GetObject permissions", try false."""
    access_log_retention_days: int = Field(default=365, ge=1, le=3653)
    """Days to keep the bucket's access logs."""


class People(Section):
    """Who may do what: roles and users that exist already.

    Each is `role/<path and name>` or `user/<path and name>` in the environment's account, or the
    ARN of a role or user; `*` stands for any characters.
    """

    uploaders: SomePrincipals
    """Who may push data sets."""
    readers: SomePrincipals
    """Who may read data sets and the results of jobs."""
    invokers: Principals = ()
    """Who may call the finished models: the model key lets them, with permissions of their own.
    With `inference.enabled` they may take the role besides that asks models in private, with
    `finetune try`."""
    administrators: SomePrincipals
    """Who may administer the bucket and delete what is in it. They read no data."""


class Engine(Section):
    """The functions that submit jobs and follow them."""

    log_retention_days: RetentionDays = 365
    """Days to keep the functions' logs."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """Least severe messages the functions log. No level logs data or secrets."""
    reserved_concurrency: int | None = Field(default=None, ge=1, le=100)
    """Executions reserved for each function; null reserves none, which an account with a quota of
    10 needs."""
    validation_minutes: int = Field(default=20, ge=1, le=20)
    """Minutes to wait for Bedrock's validation of a job before the deployment goes on without."""
    max_jobs_in_progress: int = Field(default=2, ge=1, le=10)
    """Most jobs of the environment in Bedrock at once; others wait in a queue, oldest first. An
    account may have 10 scheduled customization jobs in a Region, all environments together."""
    follow_minutes: int = Field(default=5, ge=2, le=60)
    """Minutes between two looks at all jobs, for those whose end no event told."""


def _job_schema(schema: dict[str, Any]) -> None:
    """What of a job depends on its other settings, for editors."""
    own = {
        "type": "string",
        "pattern": "^arn:[a-z0-9-]+:bedrock:[a-z0-9-]+:[0-9]{12}:custom-model/",
    }
    models = foundation_models()
    # As read, not as of today: this is written into a file.
    usable = [
        identifier
        for identifier, model in models.items()
        if model.families and model.state in {"active", "unchecked"}
    ]
    schema["properties"]["base_model"]["examples"] = usable
    schema["anyOf"] = [{"required": ["dataset"]}, {"required": ["invocation_logs"]}]
    schema["allOf"] = [
        {
            "if": {
                "required": ["accept_retired_base_model"],
                "properties": {"accept_retired_base_model": {"const": True}},
            },
            "then": {"properties": {"base_model": {"anyOf": [{"enum": list(models)}, own]}}},
            "else": {"properties": {"base_model": {"anyOf": [{"enum": usable}, own]}}},
        },
        *(
            {
                "if": {
                    "required": ["customization_type"],
                    "properties": {"customization_type": {"const": method}},
                },
                "then": {"required": [section]},
                "else": {"properties": {section: {"type": "null"}}},
            }
            for method, section in _SECTIONS_OF_METHODS.items()
        ),
    ]


_SECTIONS_OF_METHODS = {
    "DISTILLATION": "distillation",
    "REINFORCEMENT_FINE_TUNING": "reinforcement",
}


class Job(Section):
    """One customization job: what is trained on what."""

    model_config = ConfigDict(json_schema_extra=_job_schema)

    _name: str = PrivateAttr(default="")
    _training_data: DatasetLock | None = PrivateAttr(default=None)
    _validation_data: DatasetLock | None = PrivateAttr(default=None)

    accept_retired_base_model: bool = False
    """Whether a job is tried on a base model, or with a teacher, that AWS calls Legacy or past its
    end. Bedrock is documented to refuse such jobs: true only when AWS told you otherwise."""
    base_model: Annotated[
        str, AfterValidator(training_checks.check_base_model), WithJsonSchema({"type": "string"})
    ]
    """Id of the base model, with its context length: one of settings/catalogue/models.yaml that
    Bedrock customizes in the Region and that is not Legacy. Or the ARN of a model of your own, to
    train it further."""
    base_model_key: Annotated[
        Annotated[str, WithJsonSchema(dict(KEY_SCHEMA))] | None,
        AfterValidator(training_checks.check_base_model_key),
    ] = None
    """ARN of the KMS key of a base model of your own, where it is not this environment's model key;
    else null. That key's policy has to let the job's role decrypt."""
    customization_type: Annotated[
        CustomizationType, AfterValidator(training_checks.check_customization_type)
    ] = Field(default="FINE_TUNING", validate_default=True)
    """Method of customization: one that the base model supports."""
    distillation: Annotated[
        Distillation | None,
        AfterValidator(
            partial(
                training_checks.belongs_to,
                method="DISTILLATION",
                meaning="a teacher",
            )
        ),
    ] = Field(default=None, validate_default=True)
    """The teacher; for DISTILLATION only, which needs it."""
    reinforcement: Annotated[
        Reinforcement | None,
        AfterValidator(
            partial(
                training_checks.belongs_to,
                method="REINFORCEMENT_FINE_TUNING",
                meaning="a function that rates answers",
            )
        ),
    ] = Field(default=None, validate_default=True)
    """What rates answers; for REINFORCEMENT_FINE_TUNING only, which needs it."""
    invocation_logs: Annotated[
        InvocationLogs | None, AfterValidator(training_checks.check_no_logs_of_fine_tuning)
    ] = None
    """Logs of calls to learn from instead of a data set; for DISTILLATION and
    REINFORCEMENT_FINE_TUNING."""
    dataset: Annotated[
        Annotated[str, WithJsonSchema({"type": "string", "pattern": names.DATASET.pattern})] | None,
        AfterValidator(training_checks.check_training_data),
    ] = Field(default=None, validate_default=True)
    """Name of a data set in datasets.lock.json, as pushed by `finetune data push NAME FILE`. Needed
    unless there are invocation_logs."""
    validation_dataset: Annotated[
        Annotated[str, WithJsonSchema({"type": "string", "pattern": names.DATASET.pattern})] | None,
        AfterValidator(training_checks.check_validation_data),
    ] = None
    """Name of a data set to measure the model on while it trains; null for none."""
    hyperparameters: Annotated[
        Mapping[str, str],
        BeforeValidator(training_checks.check_hyperparameters),
        AfterValidator(_read_only),
        WrapSerializer(_as_dict),
        WithJsonSchema({"type": "object", "additionalProperties": {"type": ["number", "string"]}}),
    ] = Field(default_factory=_nothing)
    """Hyperparameters by their names in the API, as numbers or text. What is absent takes Bedrock's
    default."""
    run: int = Field(default=1, ge=1, le=1_000_000)
    """Raise it to train again although nothing else changed."""
    wait_for: Literal["submission", "validation"] = "validation"
    """What a deployment waits for: that Bedrock has taken the job, or that it has validated it."""
    on_replace: Literal["keep-model", "delete-model"] = "keep-model"
    """What happens to the model of a job whose settings changed. It is never deleted before its
    successor is complete."""
    on_delete: Literal["keep-model", "delete-model"] = "delete-model"
    """What happens to the model when the job's stack is destroyed."""
    deployment: Annotated[Deployment, AfterValidator(check_deployment)] = Field(
        default_factory=Deployment
    )
    """How the model is served when the job is complete."""
    tags: JobTags = Field(default_factory=_nothing)
    """Tags of the job and its model, beside those of the environment."""

    @model_validator(mode="after")
    def _teacher_teaches_the_student(self) -> Self:
        if self.distillation is not None:
            problems = training_checks.pairing_problems(
                student=self.model,
                teacher_id=self.distillation.teacher,
                retired_accepted=self.accept_retired_base_model,
            )
            checks.refuse(replace(each, at=("distillation", *each.at)) for each in problems)
        return self

    def model_post_init(self, context: object, /) -> None:
        """Attach the data sets' entries in the lock file."""
        if isinstance(context, Context):
            if self.dataset is not None:
                self._training_data = context.datasets[self.dataset]
            if self.validation_dataset is not None:
                self._validation_data = context.datasets[self.validation_dataset]

    @property
    def name(self) -> str:
        """The job's name: its key under `jobs`."""
        return self._name

    @property
    def model(self) -> FoundationModel:
        """What is known of the base model, or of that a model of one's own was made from."""
        model = training_checks.model_of(self.base_model)
        if model is None:
            raise LookupError("unknown base model: the loader refuses such settings")
        return model

    @property
    def training_data(self) -> DatasetLock | None:
        """The data set to train on, as it was pushed; None for a job that learns from logs."""
        return self._training_data

    @property
    def validation_data(self) -> DatasetLock | None:
        """The data set to validate on, as it was pushed; None for none."""
        return self._validation_data


class Settings(Section):
    """An environment: where it is, who works in it, and what it trains."""

    _environment: str = PrivateAttr(default="")

    region: Annotated[
        str,
        AfterValidator(checks.check_region),
        WithJsonSchema(
            {
                "type": "string",
                "pattern": "^[a-z]{2,4}(-[a-z]+)+-[0-9]+$",
                "examples": ["us-east-1"],
            }
        ),
    ]
    """AWS Region of every stack. The base models of the jobs must be customizable there."""
    account: (
        Annotated[
            str,
            BeforeValidator(checks.refuse_number_as_account),
            AfterValidator(checks.check_account),
            WithJsonSchema(
                {"type": "string", "pattern": "^[0-9]{12}$", "examples": ['"012345678901"']}
            ),
        ]
        | None
    ) = None
    """AWS account, twelve digits in quotes; null deploys to the account of the credentials."""
    tags: Tags = Field(default_factory=_nothing)
    """Tags of every resource, and of jobs and models."""
    permissions_boundary: (
        Annotated[
            str,
            AfterValidator(checks.check_permissions_boundary),
            WithJsonSchema({"type": "string", "minLength": 1}),
        ]
        | None
    ) = None
    """Name or ARN of the managed policy that bounds every role of the app; null for none."""
    network: Network = Field(default_factory=Network)
    """The private network."""
    keys: Keys = Field(default_factory=Keys)
    """The encryption keys."""
    storage: Storage = Field(default_factory=Storage)
    """The data bucket."""
    people: People
    """Who may do what."""
    engine: Engine = Field(default_factory=Engine)
    """The functions."""
    inference: Inference = Field(default_factory=Inference)
    """What deploys models and calls them in private."""
    budget: Budget = Field(default_factory=Budget)
    """What the environment may cost."""
    jobs: Annotated[
        Mapping[Annotated[str, AfterValidator(checks.check_job_name)], Job],
        Field(
            strict=False,
            max_length=100,
            json_schema_extra={"propertyNames": {"pattern": names.JOB.pattern}},
        ),
        AfterValidator(_read_only),
        WrapSerializer(_as_dict),
    ] = Field(default_factory=_nothing)
    """The fine-tuning jobs by name, one stack for each. At most 100: Bedrock's default quota of
    custom models for an account."""

    @model_validator(mode="after")
    def _deployments_have_somebody_to_remove_them(self) -> Self:
        if not self.inference.enabled:
            checks.refuse(
                Problem(
                    "inference-not-enabled",
                    "nothing in this environment deploys models or removes them",
                    "kind: none, or any kind where inference.enabled is true",
                    "add `inference: {enabled: true}` to the environment: its endpoint costs by the"
                    " hour, see `finetune cost`",
                    ("jobs", name, "deployment", "kind"),
                )
                for name, job in self.jobs.items()
                if job.deployment.wanted
            )
        return self

    def model_post_init(self, context: object, /) -> None:
        """Take the environment's name, which is the file's, and give the jobs theirs."""
        if isinstance(context, Context):
            self._environment = context.environment
        for name, job in self.jobs.items():
            job._name = name

    @property
    def environment(self) -> str:
        """The environment's name: the name of its settings file."""
        return self._environment

    @property
    def s3_prefix_list_id(self) -> str:
        """Id of the S3 prefix list in the environment's Region."""
        return self.network.s3_prefix_list(self.region)

    @property
    def dynamodb_prefix_list_id(self) -> str:
        """Id of the DynamoDB prefix list in the environment's Region."""
        return self.network.dynamodb_prefix_list(self.region)

    @property
    def base_models(self) -> tuple[str, ...]:
        """Ids of AWS's base models that the jobs begin with, each once, in order."""
        return tuple(sorted({job.model.id for job in self.jobs.values()}))
