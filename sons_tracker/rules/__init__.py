"""The rules of the scheme as pure functions: standard library and `errors` only.

No clock, no await, no float, no input or output. The date and the law are arguments.
"""
