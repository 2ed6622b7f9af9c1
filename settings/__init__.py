"""The settings of an environment: one YAML file, checked at once, before anything is synthesised.

from settings import load_settings, SettingsError

try:
    settings = load_settings(environment="dev", directory=Path("config"))
except SettingsError as error:
    print(render(error))
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from settings.base_models import FoundationModel, dataset_families, foundation_models
    from settings.datasets import DatasetCheck, DatasetLock
    from settings.errors import Finding, SettingsError, render
    from settings.load import available_environments, load_settings, settings_from_values
    from settings.model import Engine, Job, Keys, Network, People, Settings, Storage

__all__ = [
    "DatasetCheck",
    "DatasetLock",
    "Engine",
    "Finding",
    "FoundationModel",
    "Job",
    "Keys",
    "Network",
    "People",
    "Settings",
    "SettingsError",
    "Storage",
    "available_environments",
    "dataset_families",
    "foundation_models",
    "load_settings",
    "render",
    "settings_from_values",
]

_HOMES = {
    "DatasetCheck": "settings.datasets",
    "DatasetLock": "settings.datasets",
    "Engine": "settings.model",
    "Finding": "settings.errors",
    "FoundationModel": "settings.base_models",
    "Job": "settings.model",
    "Keys": "settings.model",
    "Network": "settings.model",
    "People": "settings.model",
    "Settings": "settings.model",
    "SettingsError": "settings.errors",
    "Storage": "settings.model",
    "available_environments": "settings.load",
    "dataset_families": "settings.base_models",
    "foundation_models": "settings.base_models",
    "load_settings": "settings.load",
    "render": "settings.errors",
    "settings_from_values": "settings.load",
}
"""Where each name is: what a command does not need of the settings it does not load."""


def __getattr__(name: str) -> object:
    """Load a name from its module when it is asked for first."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(_HOMES[name]), name)
    globals()[name] = found
    return found
