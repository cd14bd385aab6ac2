"""Networks: `build_model` for every family, and the papers' networks by name in timm.

A family is one file in this folder, a pooling one in `poolings/`; both are found at the first look-up.
"""

from scaling.models import timm_variants as timm_variants  # registers its networks with timm
from scaling.models.checkpoints import SavedModel as SavedModel
from scaling.models.checkpoints import load_model as load_model
from scaling.models.checkpoints import load_pretrained as load_pretrained
from scaling.models.checkpoints import save_model as save_model
from scaling.models.pooling import POOLINGS as POOLINGS
from scaling.models.registry import FAMILIES as FAMILIES
from scaling.models.registry import build_model as build_model
from scaling.models.registry import check_arch as check_arch
from scaling.models.registry import family as family
from scaling.models.registry import parameters as parameters
