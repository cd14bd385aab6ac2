"""timm's interface to the intermediate maps of a trunk, once for all trunks of this package that have stages."""

from typing import Any

import torch
from torch import nn


class StagedTrunk(nn.Module):
    """A trunk of stages in a row, any of which timm's feature extraction may tap.

    A trunk sets `feature_info` and implements `enter` and `run_stage`, and `finish` if it ends in a norm.
    """

    feature_info: list[dict[str, Any]]  # one entry per stage, in timm's terms
    stages_attribute = "stages"  # name of the list of stages
    maps_are_channels_last = False

    @property
    def stage_list(self) -> nn.ModuleList:
        """The stages that are left after pruning."""
        return getattr(self, self.stages_attribute)

    def enter(self, x: torch.Tensor) -> torch.Tensor:
        """Return the map before the first stage."""
        raise NotImplementedError

    def run_stage(self, stage: nn.Module, x: torch.Tensor) -> torch.Tensor:
        """Return the map after a stage, with activation checkpointing where it is enabled."""
        raise NotImplementedError

    def finish(self, x: torch.Tensor) -> torch.Tensor:
        """Return the trunk's result from the map after the last stage."""
        return x

    def forward_features(self, x: torch.Tensor) -> torch.Tensor:
        """Return the last map."""
        x = self.enter(x)
        for stage in self.stage_list:
            x = self.run_stage(stage, x)
        return self.finish(x)

    def forward_intermediates(
        self,
        x: torch.Tensor,
        indices: int | list[int] | None = None,
        norm: bool = False,
        stop_early: bool = False,
        output_fmt: str = "NCHW",
        intermediates_only: bool = False,
    ) -> list[torch.Tensor] | tuple[torch.Tensor, list[torch.Tensor]]:
        """Return the last map, as `forward_features`, and the maps after some stages; timm's interface.

        Args:
            indices: which stages: those, the last so many, or None for all.
            norm: finish the last stage's map as `forward_features` does.
            stop_early: skip the stages after the last one in `indices`.
            output_fmt: layout of the intermediate maps, `NCHW` or `NHWC`.
            intermediates_only: leave the last map out.
        """
        wanted = self._numbers(indices)
        maps: list[torch.Tensor] = []
        x = self.enter(x)
        for number, stage in enumerate(self.stage_list):
            if stop_early and number > max(wanted):
                break
            x = self.run_stage(stage, x)
            if number in wanted:
                is_end = norm and number == len(self.feature_info) - 1
                maps.append(self._laid_out(self.finish(x) if is_end else x, output_fmt))
        return maps if intermediates_only else (self.finish(x), maps)

    def prune_stages(self, indices: int | list[int]) -> list[int]:
        """Drop the stages after the last one in `indices`; return the indices counted from the front."""
        wanted = self._numbers(indices)
        setattr(self, self.stages_attribute, self.stage_list[: max(wanted) + 1])
        return wanted

    def _numbers(self, indices: int | list[int] | None) -> list[int]:
        """Return the stages that timm's `indices` mean, counted from the front."""
        numbers = range(len(self.stage_list))
        if indices is None:
            return [*numbers]
        return [*numbers[-indices:]] if isinstance(indices, int) else [numbers[index] for index in indices]

    def _laid_out(self, x: torch.Tensor, output_fmt: str) -> torch.Tensor:
        if self.maps_are_channels_last == (output_fmt == "NHWC"):
            return x
        return x.permute(0, 3, 1, 2) if self.maps_are_channels_last else x.permute(0, 2, 3, 1)
