"""Places in a text while it is edited: carets, and both ends of selections. Pure."""

from libs.ot.operations import Operation


def move(place: int, operation: Operation, *, own: bool = False) -> int:
    """Where a caret is after an operation, in code points.

    A text inserted right there stands before the caret of the one who typed it (`own`), and behind
    everybody else's. A caret in a text that is deleted stays where that was.
    """
    done, moved = 0, place  # how far the operation is in the text before it
    for part in operation:
        if done > place:
            break
        if isinstance(part, str):
            if own or done < place:
                moved += len(part)
        elif part > 0:
            done += part
        else:
            moved -= min(-part, place - done)
            done -= part
    return moved
