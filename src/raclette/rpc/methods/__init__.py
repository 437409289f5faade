"""The methods, one file for each theme."""

from raclette.rpc.methods import blocks, faucet, fees, names, node, raclette, state, subscriptions, transactions
from raclette.rpc.table import MethodTable


def method_table() -> MethodTable:
    """Every method that the server answers."""
    table = MethodTable()
    for room in (node, blocks, state, transactions, fees, subscriptions, raclette, names, faucet):
        room.register(table)
    return table
