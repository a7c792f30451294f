"""What goes wrong, in one sentence, with the advice apart."""

from __future__ import annotations


class Error(Exception):
    """One sentence: what failed, on what, found against expected. `hint` is advice, where there is some.

    >>> try:
    ...     filiation.inspect("no-such-file")
    ... except filiation.Error as error:
    ...     print(error, error.hint)
    """

    hint: str | None

    def __init__(self, sentence: str, hint: str | None = None) -> None:
        super().__init__(sentence)
        self.hint = hint
        # Tracebacks show notes since Python 3.11.
        if hint is not None and hasattr(self, "add_note"):
            self.add_note(f"hint: {hint}")
