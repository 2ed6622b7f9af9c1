"""The settings of an environment: one YAML file, checked at once, before anything is synthesised.

from settings import load_settings, SettingsError

try:
    settings = load_settings(environment="dev", directory=Path("config"))
except SettingsError as error:
    print(render(error))
"""

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
