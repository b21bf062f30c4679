"""Documents that people keep: pictures and reports, made from plain data, without a database."""
