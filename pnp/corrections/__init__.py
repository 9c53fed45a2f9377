"""What measured data need before they are solved, a folder for each field."""

__all__: list[str] = []  # a star import brings no modules
