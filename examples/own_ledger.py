"""A ledger of one's own: a guest book, examined, then run by protocols that have never heard of it."""

from raclette import LEDGERS, SimConfig, simulate
from raclette.chain.genesis import sample_key
from raclette.chain.ledger import BlockContext, Standing, Transaction
from raclette.chain.ledger_exam import LedgerSamples, check_ledger
from raclette.chain.ledger_loop import run_in_order
from raclette.chain.roll import genesis_roll
from raclette.chain.transaction import decode_authored, intrinsic_gas, sign_transaction
from raclette.ledgers.samples import SAMPLES, SampleKit
from raclette.primitives.errors import DecodeError, Misuse, Refused


def number(state, key):
    return int.from_bytes(state.get(key) or b"")


class Guestbook:
    """Everybody may write lines. No money, but what the protocol pays is counted."""

    name = "guestbook"

    def __init__(self, chain_id, *, base_fee=0, gas_limit=30_000_000, parameters=None):
        self.chain_id = chain_id

    def genesis(self, alloc):
        return genesis_roll(alloc)  # the nodes that vote, where the protocol asks for them

    def decode(self, raw):
        try:
            hash_, sender, detail = decode_authored(raw, self.chain_id)
        except DecodeError as wrong:
            raise Refused(wrong.reason, str(wrong)) from None
        if not 0 < len(detail.data) <= 200:
            raise Refused("bad-line", "a line has 1 to 200 bytes")
        return Transaction(raw, hash_, sender, detail.nonce, 0, intrinsic_gas(detail.data), (), detail)

    def admit(self, transaction, state):
        if transaction.nonce < number(state, transaction.sender):
            raise Refused("nonce-too-low", "this line is in the book already")
        return Standing(number(state, transaction.sender), funds=0, cost=0)

    def execute(self, context, transactions, state, *, strict):
        def attempt(transaction):
            if transaction.nonce != number(state, transaction.sender):
                return "nonce"
            state.set(transaction.sender, (transaction.nonce + 1).to_bytes(8))
            state.set(b"line %d" % number(state, b"lines"), transaction.detail.data)
            state.set(b"lines", (number(state, b"lines") + 1).to_bytes(8))
            return True

        result = run_in_order(context, transactions, attempt, strict=strict)
        state.set(b"paid", (number(state, b"paid") + context.reward).to_bytes(32))
        return result

    def supply(self, entries):
        return sum(int.from_bytes(value) for key, value in entries if key == b"paid")

    def stake(self, account, state):
        return 1

    def query(self, path, arguments, state):
        if path == "nonce":
            return number(state, arguments[0])
        raise Misuse("accepted: nonce")


def write(who, nonce, text, chain_id=1):
    return sign_transaction(sample_key(who), chain_id=chain_id, nonce=nonce, to=bytes(20), data=text.encode())


lines = [write(0, 0, "lovely"), write(1, 0, "too much cheese"), write(0, 1, "came back")]
context = BlockContext(1, 1, bytes(20), base_fee=0, gas_limit=30_000_000, reward=5)
check_ledger(lambda: Guestbook(1), LedgerSamples({}, context, lines, [write(2, 7, "too early")], [b"cheese"]))
LEDGERS["guestbook"] = Guestbook
SAMPLES["guestbook"] = SampleKit(lambda on, n: [write(i % 9, i // 9, "hi", on.chain_id) for i in range(n.count)])
for protocol in ("pbft", "nakamoto"):
    report = simulate(SimConfig(protocol=protocol, ledger="guestbook"))
    print(f"{protocol}: agreed: {report.agreed}, {report.transactions} lines, height {report.height}")
