"""The ledger for small programs: a list of what accounts have signed, and a rule that says what may be added."""

from raclette.ledgers.data.entry import DATA_BYTES_MAX, Entry, sign_entry
from raclette.ledgers.data.ledger import Data, Rule
from raclette.ledgers.data.past import Past

__all__ = ["DATA_BYTES_MAX", "Data", "Entry", "Past", "Rule", "sign_entry"]
