"""Financing of the SONS scheme: an order is a file that the law is applied to."""

__version__ = "0.1.0"
