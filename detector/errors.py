"""The errors that a caller may meet; each message gives the place, what was found, what was expected, the next step."""


class DetectorError(Exception):
    """Root of every error that this package raises on purpose."""


class ConfigError(DetectorError):
    """A setting, a mapping or an option is wrong, or two of them disagree."""


class SchemaError(DetectorError):
    """A table does not have the columns, types or values that `detector.schema` states."""


class ReadError(DetectorError):
    """An input cannot be read at all, or too many of its lines cannot.

    Attributes
    ----------
    brief
        The same without any text of the log, for messages that leave the host.
    """

    def __init__(self, text: str, *, brief: str | None = None) -> None:
        super().__init__(text)
        self.brief = text if brief is None else brief


class EmptyReadError(ReadError):
    """Inputs can be read and hold no event at all."""


class HistoryError(DetectorError):
    """The history folder is missing, of another format, stale, or does not match the settings."""


class BusyHistoryError(HistoryError):
    """Somebody else is writing to the history: no failure, it ends."""


class ModelError(DetectorError):
    """A model is missing, was tampered with, or does not fit the data."""


class EngineError(DetectorError):
    """The database needs more memory at once, or more room to spill to, than it may have."""


class NotifyError(DetectorError):
    """A receiver of notifications does not answer, or refuses."""


class RunError(DetectorError):
    """The scheduled job cannot work as it is."""


class LedgerError(DetectorError):
    """The ledger cannot be opened, read or written, or does not have what was asked for."""


def out_of_memory(error: Exception) -> str:
    """What DuckDB's error of that kind means in the settings that a user knows; its own words name others."""
    if "temp_directory" in str(error):
        return "the disk of [engine] temp_folder is full of what spilled; make room, or name another folder"
    return (
        "out of memory: DuckDB needs more at once than it may take, and cannot spill it; raise [engine] memory_limit "
        "(of a dossier: [incident] memory_limit), lower [engine] threads, or give fewer days at once"
    )
