"""What a data set looks like, for people: shown before anything trains, kept in `study.json`, shown by the report."""

from collections.abc import Iterator

from pydantic import BaseModel

from scaling.wording import listing, plural


class SetSummary(BaseModel, frozen=True, extra="ignore"):
    """One of the sets on which trials run."""

    images: int
    smallest: tuple[str, int]  # class with the fewest images here, and how many
    largest: tuple[str, int]
    repeated: int = 0  # images with the same bytes as an earlier one of the set
    relabelled: int = 0  # of them, those of another class than the earlier one


class DataSummary(BaseModel, frozen=True, extra="ignore"):
    """The sets of one data source, and how its images are stored."""

    classes: int
    sets: dict[str, SetSummary]  # train, validation and test, as trials use them
    looked_at: int  # images of which size and mode are known
    of: int  # images of the source
    sizes: list[str] = []  # stored size in pixels, width×height: the smallest, the middle one and the largest; or one
    modes: dict[str, int] = {}  # Pillow's mode of the stored image → images looked at
    input: str = ""  # what a network gets: height×width×channels
    mean: list[float] = []  # of the training pixels, for each channel, 0 to 255
    shared: dict[str, int] = {}  # `train and test` → images of the second set that the first has too
    unchecked: str | None = None  # why images that repeat others were not looked for
    pictured: list[str] = []  # classes in the picture of samples, from the top
    notes: list[str] = []  # what was left out, or changed in reading

    def lines(self) -> Iterator[str]:
        """Describe the data in a few lines."""
        counts = listing([f"{one.images:,} {name}" for name, one in self.sets.items()])
        yield f"{self.classes:,} classes; images: {counts}"
        yield from self._about_classes()
        looked = "" if self.looked_at == self.of else f" (of {self.looked_at:,} images looked at)"
        sizes = self.sizes[0] if len(self.sizes) == 1 else "in unknown sizes"
        if len(self.sizes) == 3:
            sizes = f"{self.sizes[0]} to {self.sizes[2]}, middle {self.sizes[1]}"
        modes = listing([mode if len(self.modes) == 1 else f"{count:,} {mode}" for mode, count in self.modes.items()])
        mean = ", ".join(f"{value:.0f}" for value in self.mean)
        yield f"stored {sizes}, {modes}{looked}; a network gets {self.input}; mean colour {mean} of 255"
        for name, one in self.sets.items():
            if one.repeated:
                other = f", {one.relabelled:,} of them under another class" if one.relabelled else ""
                yield f"{name}: {plural(one.repeated, 'image')} with the bytes of another one of the set{other}"
        for names, count in self.shared.items():
            yield f"{plural(count, 'image')} in {names} both, so that scores are partly of what was seen in training"
        if self.unchecked:
            yield self.unchecked
        yield from self.notes

    def _about_classes(self) -> Iterator[str]:
        train = self.sets.get("train")
        if train is None or self.classes < 2:
            return
        if train.smallest[1] == train.largest[1]:
            yield f"every class has {plural(train.smallest[1], 'training image')}"
        else:
            least, most = (f"{name} ({count:,})" for name, count in (train.smallest, train.largest))
            yield f"smallest training class {least}, largest {most}"
