"""Networks: `build_model` for the families of this package, and all of them registered with timm.

Every module beside this one is imported here, so that a family is one file and a pooling one function.
"""

import importlib
import pkgutil

from scaling.models.checkpoints import SavedModel as SavedModel
from scaling.models.checkpoints import load_model as load_model
from scaling.models.checkpoints import load_pretrained as load_pretrained
from scaling.models.checkpoints import save_model as save_model
from scaling.models.pooling import POOLINGS as POOLINGS
from scaling.models.registry import FAMILIES as FAMILIES
from scaling.models.registry import build_model as build_model
from scaling.models.registry import check_arch as check_arch
from scaling.models.registry import parameters as parameters

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")
