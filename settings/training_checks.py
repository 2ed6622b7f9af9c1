"""The rules of what a job trains: base model, method, data and hyperparameters.

What a base model allows is in the catalogue; each refusal proposes the nearest that works.
"""

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation

from pydantic import ValidationInfo

from settings.base_models import (
    FoundationModel,
    Hyperparameter,
    foundation_models,
    nearest_usable,
    teachers,
    today,
    usable_in,
)
from settings.checks import (
    Context,
    Problem,
    follows,
    listed,
    mapped_texts,
    nearest,
    refusal,
    refuse,
)
from settings.names import DATASET
from settings.regions import partition_of

CUSTOM_MODEL = re.compile(
    r"arn:(?P<partition>[a-z0-9-]+):bedrock:(?P<region>[a-z0-9-]+):(?P<account>[0-9]{12}):"
    r"custom-model/(?P<base>[a-z0-9.:-]+)/[a-z0-9]{12}",
    re.ASCII,
)
"""The ARN of a model of one's own, which names the base model it was made from.
https://docs.aws.amazon.com/bedrock/latest/APIReference/API_CreateModelCustomizationJob.html"""
KEY = re.compile(
    r"arn:(?P<partition>[a-z0-9-]+):kms:(?P<region>[a-z0-9-]+):(?P<account>[0-9]{12}):"
    r"key/[A-Za-z0-9-]{1,128}",
    re.ASCII,
)
"""The ARN of a KMS key."""
_NUMBER = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d{1,3})?", flags=re.ASCII)
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", re.ASCII)


def model_of(identifier: object) -> FoundationModel | None:
    """The base model that an id names, or that a model of one's own was made from."""
    text = str(identifier)
    own = CUSTOM_MODEL.fullmatch(text)
    return foundation_models().get(own["base"] if own else text)


# Base model


def check_base_model(identifier: str, info: ValidationInfo) -> str:
    """A base model that may be customized in the Region, or a model of one's own made from one."""
    context = Context.of(info)
    own = CUSTOM_MODEL.fullmatch(identifier)
    model = model_of(identifier)
    if model is None:
        raise refusal(_unknown(identifier, context.region))
    problems = list(
        _model_problems(
            model, context.region, retired_accepted=bool(info.data.get("accept_retired_base_model"))
        )
    )
    if own:
        problems += _place_problems(own, context, what="model")
    refuse(problems)
    return identifier


def _allowed(region: str | None) -> str:
    models = foundation_models()
    shown = (
        identifier + (" (state not confirmed)" if models[identifier].state == "unchecked" else "")
        for identifier in models
        if any(identifier in usable_in(region, method) for method in models[identifier].methods)
    )
    return f"in {region or 'any Region'}: {listed(shown)}"


def _unknown(identifier: str, region: str | None) -> Problem:
    models = foundation_models()
    tail = identifier.rsplit("/", 1)[-1]
    meant = next((known for known in models if known.startswith(tail)), None) or nearest(
        tail, models
    )
    return Problem(
        "unknown-base-model",
        "not a base model this app knows",
        _allowed(region) + "; or the ARN of a model of your own that was made from one",
        (f"did you mean {meant}? " if meant else "")
        + "a model AWS added since belongs into settings/catalogue/models.yaml:"
        " see `finetune models refresh`",
    )


def _model_problems(
    model: FoundationModel, region: str | None, *, retired_accepted: bool
) -> Iterable[Problem]:
    allowed = _allowed(region)
    works = nearest_usable(model.id, region=region)
    if not retired_accepted and not model.takes_jobs_on(today()):
        yield Problem(
            "retired-base-model",
            f"no new job may use it: {model.state_sentence}",
            allowed,
            f"choose another base model: {works} works"
            + (f" in {' and '.join(foundation_models()[works].regions)}" if works else "")
            + "; if AWS says otherwise of your account, set accept_retired_base_model: true",
        )
        return
    if region is not None and region not in model.regions:
        yield Problem(
            "base-model-not-in-region",
            f"Bedrock does not customize {model.name} in {region}",
            allowed,
            f"choose another base model, such as {works},"
            f" or set region to {' or '.join(model.regions)}",
        )
    if not model.families:
        yield Problem(
            "unsupported-data",
            f"{model.name} learns from data that this app does not check or push",
            allowed,
            f"choose a base model that learns from text, such as {works}",
        )


def _place_problems(arn: re.Match[str], context: Context, *, what: str) -> Iterable[Problem]:
    if context.region is not None and arn["region"] != context.region:
        yield Problem(
            "other-region",
            f"the {what} is in {arn['region']}, and Bedrock uses those of its own Region only",
            f"a {what} in {context.region}",
            f"name a {what} of {context.region}, or set region to {arn['region']}",
        )
    elif context.region is not None and arn["partition"] != partition_of(context.region):
        yield Problem(
            "other-partition",
            f"the ARN belongs to partition {arn['partition']}",
            f"an ARN of partition {partition_of(context.region)}",
            "copy the ARN from the account you deploy to",
        )
    if context.account is not None and arn["account"] != context.account:
        yield Problem(
            "other-account",
            f"the {what} belongs to account {arn['account']}",
            f"a {what} of account {context.account}",
            f"name a {what} of the account; a model of another one has to be shared and copied",
        )


def check_key(arn: str, info: ValidationInfo) -> str:
    """The ARN of a KMS key of the Region."""
    context = Context.of(info)
    match = KEY.fullmatch(arn)
    if match is None:
        raise refusal(
            Problem(
                "bad-key",
                "not the ARN of a KMS key",
                "an ARN such as arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-"
                "1234567890ab",
                "write the key's ARN: an alias can be turned to another key",
            )
        )
    refuse(
        problem
        for problem in _place_problems(match, context, what="key")
        if problem.kind != "other-account"
    )
    return arn


def check_base_model_key(arn: str | None, info: ValidationInfo) -> str | None:
    """The key of a model of one's own, which only such a base model has."""
    if arn is None:
        return None
    base = info.data.get("base_model")
    if base is not None and not CUSTOM_MODEL.fullmatch(base):
        raise refusal(
            Problem(
                "setting-of-other-job",
                "a base model of AWS has no key of yours",
                "nothing, unless base_model is the ARN of a model of your own",
                "delete the line",
            )
        )
    return check_key(arn, info)


# Method


def check_customization_type(method: str, info: ValidationInfo) -> str:
    """A method that some base model has, and the job's own too."""
    models = foundation_models().values()
    if not any(method in model.methods for model in models):
        having = sorted({each for model in models for each in model.methods})
        raise refusal(
            Problem(
                "method-without-models",
                f"AWS documents no base model for {method}",
                listed(having),
                "set customization_type to FINE_TUNING, or leave it out; a model that AWS has"
                " since belongs into settings/catalogue/models.yaml",
            )
        )
    model = model_of(info.data.get("base_model"))
    if model is not None and method not in model.methods:
        region = Context.of(info).region
        other = nearest_usable(model.id, region=region, method=method)
        raise refusal(
            Problem(
                "method-not-of-model",
                f"{model.name} does not support {method}",
                f"{listed(model.methods)} with it; {method} with"
                f" {listed(usable_in(region, method))} in {region or 'any Region'}",
                "choose another method"
                + (f", or base_model: {other} for {method}" if other else ""),
            )
        )
    return method


def belongs_to(value: object, info: ValidationInfo, *, method: str, meaning: str) -> object:
    """A section that one method needs and others do not have."""
    chosen = info.data.get("customization_type")
    if chosen == method and value is None:
        raise refusal(
            Problem(
                "missing-setting",
                f"{method} needs {meaning}",
                f"a mapping of settings: see `jobs` in docs/settings.md, {info.field_name}",
                f"add `{info.field_name}:`",
            )
        )
    if chosen is not None and chosen != method and value is not None:
        raise refusal(
            Problem(
                "setting-of-other-method",
                f"{chosen} has no {info.field_name}",
                f"{info.field_name} with customization_type: {method} only",
                f"delete {info.field_name}, or set customization_type to {method}",
            )
        )
    return value


def check_teacher(teacher: str, info: ValidationInfo) -> str:
    """A model that teaches."""
    Context.of(info)
    known = teachers()
    if teacher not in known:
        meant = nearest(teacher, known) or next(
            (each for each in known if teacher.endswith(each)), None
        )
        raise refusal(
            Problem(
                "unknown-teacher",
                "not a model that teaches, as far as this app knows",
                listed(known),
                (f"did you mean {meant}? " if meant else "")
                + "an inference profile goes into inference_profile; a teacher AWS added since"
                " belongs into settings/catalogue/teachers.yaml",
            )
        )
    return teacher


def pairing_problems(
    *, student: FoundationModel, teacher_id: str, retired_accepted: bool
) -> Iterable[Problem]:
    """What is wrong with a teacher for a student."""
    teacher = teachers()[teacher_id]
    able = [
        each.id
        for each in teachers().values()
        if student.id in each.students and each.takes_jobs_on(today())
    ]
    at = ("teacher",)
    if student.id not in teacher.students:
        yield Problem(
            "teacher-not-of-student",
            f"{teacher.name} does not teach {student.name}",
            listed(able),
            f"take {able[0]}" if able else "choose another base_model",
            at,
        )
    elif not teacher.takes_jobs_on(today()) and not retired_accepted:
        yield Problem(
            "retired-teacher",
            f"it cannot teach any more: {teacher.state_sentence}",
            listed(able),
            f"take {able[0]}"
            if able
            else "choose another base_model that a teacher in use teaches: "
            + listed(
                sorted(
                    {s for t in teachers().values() if t.takes_jobs_on(today()) for s in t.students}
                )
            ),
            at,
        )


def check_inference_profile(identifier: str, info: ValidationInfo) -> str:
    """The id of a cross-Region inference profile."""
    Context.of(info)
    if not re.fullmatch(r"[a-z]{2,6}(-[a-z]+)*\.[a-z0-9-]+\.[a-zA-Z0-9.:-]+", identifier, re.ASCII):
        raise refusal(
            Problem(
                "bad-inference-profile",
                "not the id of an inference profile",
                "a geography, a point and the teacher's id, such as us.amazon.nova-pro-v1:0",
                "write the id, not the ARN: see `aws bedrock list-inference-profiles`",
            )
        )
    return identifier


def check_grader(function: str, info: ValidationInfo) -> str:
    """A Lambda function of the Region, by its name or its ARN."""
    context = Context.of(info)
    region = context.region or "us-east-1"
    arn = (
        function
        if function.startswith("arn:")
        else f"arn:{partition_of(region)}:lambda:{region}:{context.account or '0' * 12}"
        f":function:{function}"
    )
    match = re.fullmatch(
        r"arn:(?P<partition>[a-z0-9-]+):lambda:(?P<region>[a-z0-9-]+):(?P<account>[0-9]{12}):"
        r"function:(?P<name>[A-Za-z0-9_-]{1,64})(?P<qualifier>:[A-Za-z0-9_$-]{1,128})?",
        arn,
        re.ASCII,
    )
    if match is None or not follows(arn, shape="LambdaArn"):
        raise refusal(
            Problem(
                "bad-function",
                "not a Lambda function",
                "a function's name, with `:alias` or `:version` or without, or its ARN",
                "write for example reward-for-answers, or the ARN that Lambda shows",
            )
        )
    refuse(_place_problems(match, context, what="function"))
    return function


def check_log_bucket(bucket: str) -> str:
    """The name of a bucket that Bedrock's S3 URIs can name."""
    if not _BUCKET.fullmatch(bucket):
        raise refusal(
            Problem(
                "bad-bucket",
                "not the name of an S3 bucket",
                "3 to 63 lower-case letters, digits, points and hyphens",
                "write the name alone: what follows it goes into prefix",
            )
        )
    return bucket


def check_log_prefix(prefix: str) -> str:
    """A folder of a bucket, in the letters that Bedrock's S3 URIs take."""
    if prefix.startswith("/") or not follows(f"s3://{'b' * 63}/{prefix}", shape="S3Uri"):
        raise refusal(
            Problem(
                "bad-prefix",
                "Bedrock refuses the S3 URI that this makes",
                "a folder such as logs/AWSLogs/, in letters, digits and - ! _ * ' ( ) .",
                "write it without a slash in front, and without `=`, `+` and spaces",
            )
        )
    if "*" in prefix:
        raise refusal(
            Problem(
                "bad-prefix",
                "`*` would let the job read more than one folder",
                "a folder such as logs/AWSLogs/",
                "write the folder's name",
            )
        )
    return prefix


def check_metadata(text: str) -> str:
    """A key or a value of the metadata of requests."""
    if not text or not follows(text, shape="RequestMetadataMapValueString"):
        raise refusal(
            Problem(
                "bad-metadata",
                "Bedrock refuses the text as metadata of a request",
                "1 to 256 characters: letters, digits, spaces and . _ : / = + $ @ -",
                "write it as the requests were made with",
            )
        )
    return text


# Data


def check_no_logs_of_fine_tuning(value: object, info: ValidationInfo) -> object:
    """Invocation logs, from which two methods learn."""
    method = info.data.get("customization_type")
    if value is not None and method == "FINE_TUNING":
        raise refusal(
            Problem(
                "setting-of-other-method",
                "fine-tuning does not learn from invocation logs",
                "invocation_logs with DISTILLATION or REINFORCEMENT_FINE_TUNING",
                "push a data set and name it in dataset, or choose another customization_type",
            )
        )
    return value


def check_training_data(name: str | None, info: ValidationInfo) -> str | None:
    """The data set to train on, unless there are invocation logs."""
    logs = info.data.get("invocation_logs")
    if name is None and logs is None and "invocation_logs" in info.data:
        raise refusal(
            Problem(
                "missing-setting",
                "the setting is missing",
                DATASET.allowed,
                "add `dataset:`: name of a data set that was pushed"
                + (
                    ", or `invocation_logs:`"
                    if info.data.get("customization_type") not in {None, "FINE_TUNING"}
                    else ""
                ),
            )
        )
    if name is not None and logs is not None:
        raise refusal(
            Problem(
                "two-sources-of-data",
                "the job has invocation_logs too, and a job learns from one source",
                "either dataset or invocation_logs",
                "delete one of the two",
            )
        )
    return None if name is None else check_dataset(name, info)


def check_validation_data(name: str | None, info: ValidationInfo) -> str | None:
    """The data set to validate on, for base models and methods that take one."""
    if name is None:
        return None
    model, method = _chosen(info)
    family = model.families.get(method) if model else None  # type: ignore[call-overload] # of the enumeration
    if model and family and family.validation == "none":
        raise refusal(
            Problem(
                "no-validation-data",
                f"{method} of {model.name} takes no validation data",
                "null",
                "delete the line",
            )
        )
    return check_dataset(name, info)


def _chosen(info: ValidationInfo) -> tuple[FoundationModel | None, str]:
    return model_of(info.data.get("base_model")), info.data.get("customization_type", "FINE_TUNING")


def check_dataset(name: str, info: ValidationInfo) -> str:
    """A pushed data set, checked for the family of the job's base model and method."""
    context = Context.of(info)
    if not DATASET.accepts(name):
        uri = " Bedrock's S3 URIs refuse `=`, `+` and spaces." if set(name) & set("=+ ") else ""
        raise refusal(
            Problem(
                "bad-dataset-name",
                "not the name of a data set",
                f"{DATASET.allowed}; pushed so far: {listed(context.datasets)}",
                "write the name given to `finetune data push NAME FILE`, not a path or an"
                f" S3 URI: the app derives the URI from it.{uri}",
            )
        )
    entry = context.datasets.get(name)
    if entry is None:
        meant = nearest(name, context.datasets)
        raise refusal(
            Problem(
                "data-not-pushed",
                "the data set was not pushed: it is not in datasets.lock.json",
                f"pushed so far: {listed(context.datasets)}",
                (f"did you mean {meant}? otherwise " if meant else "")
                + f"run `finetune data push {name} FILE`",
            )
        )
    model, method = _chosen(info)
    family = model.families.get(method) if model else None  # type: ignore[call-overload] # of the enumeration
    problems = []
    if not entry.check.ok:
        problems.append(
            Problem(
                "data-not-ok",
                "the data set did not pass its check",
                "a data set without errors",
                f"run `finetune data check FILE --model {model.id if model else 'ID'}`, correct the"
                " file, and"
                f" `finetune data push {name} FILE`",
            )
        )
    if model and family and entry.check.model_family != family.name:
        problems.append(
            Problem(
                "data-for-other-model",
                f"the data set was checked for {entry.check.model_family}, and {model.name}"
                f" takes {family.name} for {method}",
                f"a data set checked for {family.name}",
                f"run `finetune data check FILE --model {model.id}`, then"
                f" `finetune data push {name} FILE`",
            )
        )
    refuse(problems)
    return name


def plain_number(text: str) -> Decimal | None:
    """The number a text spells; None for words."""
    if not _NUMBER.fullmatch(text):
        return None
    try:
        return Decimal(text)
    except InvalidOperation:  # pragma: no cover - the pattern admits only numbers
        return None


def _normalised(value: object) -> object:
    """A number as the API wants it: text, one spelling for each number.

    `1e-5`, `"0.00001"` and `1.0e-05` train the same model, so they must not make different jobs.
    """
    if isinstance(value, bool):
        return value
    number: Decimal | None = None
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        number = plain_number(repr(value))
        if number is None:
            # Infinity and not-a-number are no hyperparameters.
            return value
    elif isinstance(value, str):
        number = plain_number(value.strip())
    if number is None:
        return value.strip() if isinstance(value, str) else value
    text = f"{number:f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in {"-0", "+0", ""} else text


def check_hyperparameters(value: object, info: ValidationInfo) -> dict[str, str]:
    """Names and ranges AWS documents for the base model; free where it documents none."""
    if isinstance(value, Mapping):
        value = {name: _normalised(item) for name, item in value.items()}
    values, problems = mapped_texts(
        value, entry="a finite number or text", fix="write the value as in the API"
    )
    model, method = _chosen(info)
    known = model.hyperparameters_by_method.get(method) if model else None  # type: ignore[call-overload] # of the enumeration
    refuse([*problems, *_hyperparameter_problems(values, model, known)])
    return values


def _hyperparameter_problems(
    values: Mapping[str, str],
    model: FoundationModel | None,
    known: Mapping[str, Hyperparameter] | None,
) -> Iterable[Problem]:
    for name, value in values.items():
        if known is not None and model is not None and name not in known:
            meant = nearest(name, known)
            yield Problem(
                "unknown-hyperparameter",
                f"{model.name} has no such hyperparameter",
                listed(known),
                f"did you mean {meant}?" if meant else "delete it",
                (name,),
            )
        elif known is not None and not _fits(value, known[name]):
            yield Problem(
                "hyperparameter-out-of-range",
                "the value is outside the range AWS documents",
                known[name].allowed,
                "choose a value in the range"
                + _proposal(value, known[name])
                + (
                    f"; Bedrock's default is {d:g}"
                    if (d := known[name].default) is not None
                    else ""
                ),
                (name,),
            )
        elif not re.fullmatch(r"[A-Za-z][A-Za-z0-9 ]{0,63}", name) or not 1 <= len(value) <= 64:
            yield Problem(
                "bad-hyperparameter",
                "not a hyperparameter",
                "a name of letters and digits, with a value of 1 to 64 characters",
                "write it as in the API, such as epochCount: 2",
                (name,),
            )


def _fits(value: str, parameter: Hyperparameter) -> bool:
    number = plain_number(value)
    if number is None or parameter.type == "word":
        return value in parameter.words
    if parameter.type == "integer" and number != number.to_integral_value():
        return False
    least, most = _bounds(parameter)
    return (least is None or least <= number) and (most is None or number <= most)


def _bounds(parameter: Hyperparameter) -> tuple[Decimal | None, Decimal | None]:
    return (
        None if parameter.minimum is None else Decimal(repr(parameter.minimum)),
        None if parameter.maximum is None else Decimal(repr(parameter.maximum)),
    )


def _proposal(value: str, parameter: Hyperparameter) -> str:
    """The nearest value that is allowed, where the value is a number."""
    number = plain_number(value)
    if number is None or parameter.type == "word":
        meant = nearest(value, parameter.words)
        return f": did you mean {meant}?" if meant else ""
    least, most = _bounds(parameter)
    if least is not None and number < least:
        near = least
    elif most is not None and number > most:
        near = most
    else:
        near = number.to_integral_value()
    return f", {float(near):g} is the nearest"
