"""Bodies and answers about delegations of signature: what is given, to whom, until when."""

from __future__ import annotations

from typing import Literal

Capacity = Literal["responsible", "delegation"]
