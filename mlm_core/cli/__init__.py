"""The command: its parser, the table of commands, and one file for each of them."""
