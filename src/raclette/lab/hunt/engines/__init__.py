"""The tactics `engines` and `twins`: engines over light chains, with every message in the hunt's hand."""
