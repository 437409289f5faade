"""The door for small programs: a chain and peers that carry their data, over the node that everything else runs on.

    from raclette import Blockchain, Peer

    def is_fair(entry, past):               # every peer of the program runs the same rule
        return "cheese" in entry.value

    with Peer("alice", valid=is_fair) as alice, Peer("bob", valid=is_fair) as bob:
        bob.connect(*alice.address)
        answer = alice.add_data({"cheese": "gruyere"})
        assert bob.wait(answer)
        print(bob.get_data())

`Blockchain` is one node without a network, which mines when told to. `Peer` is a live node on a thread of its own. Both
have the ledger `data`: what accounts have signed, in order, under a rule (`raclette.ledgers.data`).
"""

from raclette.door.answer import Answer, Status
from raclette.door.blockchain import Blockchain
from raclette.door.identity import Identity
from raclette.door.peer import Peer
from raclette.door.values import Record

__all__ = ["Answer", "Blockchain", "Identity", "Peer", "Record", "Status"]
