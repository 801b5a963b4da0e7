"""The command `detector`: a thin skin. Each verb calls one public function, and shows what it returns."""

from detector.cli.app import app, main

__all__ = ["app", "main"]
