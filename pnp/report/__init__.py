"""What a solve says of itself: what is measured at its end, findings and their likely causes, remarks, a summary."""

__all__: list[str] = []
