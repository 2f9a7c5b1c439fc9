"""Sweeps: functions of parameters at many points, and what is built on them."""

__all__: list[str] = []
