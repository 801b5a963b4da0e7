"""What people and other programs see: the terminal's table, JSON and CSV, and the files in `--out`."""
