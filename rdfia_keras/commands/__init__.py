"""The command line: a file for each command, with its options and its body. Nothing heavy is imported at the top."""
