"""What all sections of a settings file have in common."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A part of a settings file: frozen, typed strictly, without unknown names."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        use_attribute_docstrings=True,
    )
