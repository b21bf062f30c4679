"""How much each caller may still ask (migration 0024)."""

from piccolo.columns import Text, Timestamptz
from piccolo.table import Table


class RateBucket(Table, tablename="rate_bucket", schema="sons"):
    """A bucket, full again at `full_at`, on the machine's clock. Its key is (kind, subject)."""

    kind = Text(primary_key=True, default=None)
    subject = Text(default=None)
    full_at = Timestamptz(default=None)
