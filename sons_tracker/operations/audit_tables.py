"""The temporary tables through which an audit goes from pairs to cases.

They stay with their connection, emptied by each run: a table made anew for each run would have every
statement about it parsed and planned again, and one that is emptied by its commit has its files cut one by
one. Either costs more than the audit of a few ESSMS.
"""

from __future__ import annotations

# audit_seen: a pair on one ESSMS, before the law is asked; `a` is the side in place or the earlier one.
# audit_verdict: what the law answered to a signature, where it is a conflict.
# audit_found: a pair in conflict on one ESSMS; `second_first`: its side `b` is the earlier act.
# audit_case: one case per pair, known or not; `found_as` is its family in `audit_found`.
# audit_telling: what is new to tell of a case.
MADE = """
create temporary table audit_seen (family text, vague text, order_a uuid, grant_a text, order_b uuid,
  grant_b text, finess text, counterpart text, signature text);
create temporary table audit_verdict (no int, rule text, outcome text, message text, source text,
  remedy text, readings text, a_confirmer boolean, facts jsonb);
create temporary table audit_found (family text, vague text, order_a uuid, grant_a text, order_b uuid,
  grant_b text, finess text, counterpart text, no int, second_first boolean, pair_key text);
create temporary table audit_case (family text, found_as text, pair_key text, vague text,
  second_first boolean, order_a uuid, order_b uuid, grant_a text, grant_b text, known_id uuid,
  ceased_at timestamptz, id uuid, at_stake bigint, opened boolean);
create temporary table audit_telling (id uuid, no int, facts jsonb);
"""
EMPTIED = """
delete from audit_seen; delete from audit_verdict; delete from audit_found; delete from audit_case;
delete from audit_telling;
"""
CUT = "truncate audit_seen, audit_verdict, audit_found, audit_case, audit_telling"
"""After a nation, whose rows would stay as dead ones until the connection ends."""
