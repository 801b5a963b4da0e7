"""Reading dumps: any log format to events, with each line accounted for and no identifier left in them."""

from detector.reading.counts import FileCount
from detector.reading.keys import LoadedKey, find_key, key_id, key_path, load_key
from detector.reading.mapping import Input, Mapping, load_mapping
from detector.reading.reading import Progress, Reading, read
from detector.reading.records import token

__all__ = [
    "FileCount",
    "Input",
    "LoadedKey",
    "Mapping",
    "Progress",
    "Reading",
    "find_key",
    "key_id",
    "key_path",
    "load_key",
    "load_mapping",
    "read",
    "token",
]
