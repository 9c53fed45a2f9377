"""What ``pnp`` does: one file for each subcommand, with its options and what it runs."""

__all__: list[str] = []
