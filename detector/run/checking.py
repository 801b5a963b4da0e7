"""What can be found wrong with the job's settings before anything is done."""

from __future__ import annotations

from detector.errors import ConfigError
from detector.notify import check_receivers
from detector.run.addresses import load_addresses
from detector.settings import Settings


def check_settings(settings: Settings) -> None:
    """Look at what no file of settings can tell of itself.

    Raises
    ------
    ConfigError
        If there is no history or input, a receiver's address can never work, or the list of addresses is none.
    """
    if settings.history.folder is None or not settings.input:
        raise ConfigError("detector run needs [history] folder and at least one [[input]]; `detector init` writes both")
    check_receivers(settings.notify)
    if settings.run.addresses_file is not None:
        try:
            load_addresses(settings.run.addresses_file)
        except ConfigError as error:
            raise ConfigError(f"[run] addresses_file: {error}") from error
