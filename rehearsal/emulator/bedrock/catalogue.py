"""The foundation models of the emulated Region and whether they take a job."""

from __future__ import annotations

from typing import Any

from rehearsal.bedrock_semantics.errors import NotFoundError, ValidationError
from rehearsal.emulator.bedrock.records import arn
from rehearsal.emulator.options import BaseModel


class Catalogue:
    """Look-up of base models by id or ARN."""

    def __init__(self, models: tuple[BaseModel, ...]) -> None:
        self._models = {model.model_id: model for model in models}

    def find(self, identifier: str) -> BaseModel | None:
        """The model of an id, a foundation-model ARN, or a custom model's ARN, which names it."""
        custom = ":custom-model/" in identifier
        return self._models.get(identifier.split("/")[1 if custom else -1])

    def for_job(self, identifier: str, customization: str) -> BaseModel:
        """The model, if it takes a job of this kind.

        Raises:
            ValidationError: unknown, Legacy, or not customisable that way.
        """
        model = self.find(identifier)
        if model is None:
            raise ValidationError(
                f"The provided model identifier is invalid: {identifier}; customizable here: "
                f"{', '.join(sorted(self._models))}"
            )
        if not model.active:
            raise ValidationError(
                f"The model {model.model_id} is in the Legacy state and cannot be used for new "
                "model customization jobs"
            )
        if customization not in model.customizations:
            raise ValidationError(
                f"The model {model.model_id} does not support {customization}; it supports: "
                f"{', '.join(model.customizations)}"
            )
        return model

    def details(self, identifier: str) -> dict[str, Any]:
        """GetFoundationModel's `modelDetails`.

        Raises:
            NotFoundError: there is no such model here.
        """
        model = self.find(identifier)
        if model is None:
            raise NotFoundError(f"Could not find model with identifier: {identifier}")
        provider = model.model_id.partition(".")[0]
        # The API has no value for reinforcement fine-tuning in this list.
        listed = ("FINE_TUNING", "CONTINUED_PRE_TRAINING", "DISTILLATION")
        return {
            "modelArn": arn(f"foundation-model/{model.model_id}"),
            "modelId": model.model_id,
            # The API's names have at most twenty characters.
            "modelName": model.model_id.partition(".")[2][:20],
            "providerName": provider.capitalize(),
            "inputModalities": ["TEXT"],
            "outputModalities": ["TEXT"],
            "responseStreamingSupported": True,
            "customizationsSupported": [c for c in model.customizations if c in listed],
            "inferenceTypesSupported": ["PROVISIONED"],
            "modelLifecycle": {"status": "ACTIVE" if model.active else "LEGACY"},
        }
