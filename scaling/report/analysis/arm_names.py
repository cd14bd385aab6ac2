"""Arm names: what sentences call the values of the compared factor."""

NAMELESS = {"", "arm", "study"}  # factors that add nothing to the name of an arm


def arm_name(factor: str, arm: str) -> str:
    """The name of an arm in a sentence: `attention pooling`, but `patch_size 4`."""
    factor = factor.rpartition(".")[2]
    if factor in NAMELESS:
        return arm
    return f"{arm} {factor}" if arm[:1].isalpha() and arm not in {"True", "False"} else f"{factor} {arm}"
