"""What a server does with an operation: puts it after the edits that it was made without. Pure."""

from collections.abc import Sequence

from libs.ot.operations import Operation, check, growth, past_all


def place(operation: Operation, since: Sequence[Operation], length: int) -> Operation:
    """The operation as it follows the edits that came `since` the version that it was made on.

    Of texts inserted at one place, that of the edit which was ordered first stands first.

    Args:
        operation: As its client made it.
        since: The edits after that version, in order, each as it was ordered.
        length: Of the text after all of these, in code points.
    Raises:
        Misfit: The text of the version that it was made on is too short for the operation.
    """
    check(operation, length - sum(growth(each) for each in since))
    return past_all(operation, since)
