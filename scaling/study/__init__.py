"""A study on disk: the contract between the half that asks and the half that answers."""
