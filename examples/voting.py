"""Vote at a prompt: a adds a vote, d displays the tally, q quits. Everybody who runs this program votes in the same
election.

    python examples/voting.py ann                          # prints where it listens
    python examples/voting.py bob 127.0.0.1:PORT           # joins

The rule is the program's: one vote for each voter, for one of the choices. It takes the voters' word for who they are,
as a show of hands does. For votes signed by keys that were enrolled before, see `raclette vote` and the ledger `poll`.
"""

import sys
from collections import Counter
from collections.abc import Iterable

from raclette import Peer, Record

CHOICES = ("fondue", "raclette", "tartiflette")


def is_first_vote(record: Record, past: Iterable[Record]) -> bool:
    """Every peer asks this about every vote, with the votes before it: the same question gets the same answer
    everywhere."""
    vote = record.value
    if set(vote) != {"voter", "choice"} or not vote["voter"] or vote["choice"] not in CHOICES:
        return False
    return all(vote["voter"] != earlier.value["voter"] for earlier in past)


def add(peer: Peer) -> None:
    voter = input("voter: ").strip()
    choice = input(f"choice ({', '.join(CHOICES)}): ").strip()
    answer = peer.add_data({"voter": voter, "choice": choice})
    if not answer:
        print("Invalid/duplicate vote" if answer.status == "invalid" else f"Not now, try again: {answer.reason}")
    elif peer.wait(answer):
        print(f"Vote of {voter} counted")


def display(peer: Peer) -> None:
    tally = Counter(record.value["choice"] for record in peer.get_data())
    for choice in CHOICES:
        print(f"{choice}: {tally[choice]}")


def main(name: str, where: str = "") -> None:
    with Peer(name, valid=is_first_vote) as peer:
        print(f"{name} listens at {peer.address[0]}:{peer.address[1]}", flush=True)
        if where:
            host, _, port = where.rpartition(":")
            print(f"linked with {peer.connect(host, int(port))}", flush=True)
        while True:
            try:
                command = input("a (add a vote), d (display), q (quit): ").strip()
                if command == "q":
                    return
                if command in ("a", "d"):
                    (add if command == "a" else display)(peer)
            except EOFError:
                return


main(*sys.argv[1:3] or ["me"])
