"""The command: the parser, and one file per subcommand."""
