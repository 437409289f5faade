"""The reference's count of votes keeps what `engine.ballot` promises."""

from raclette.engine.ballot import Ballot
from raclette.sim.engines.letter import Letter, Policy
from raclette.sim.engines.tally import Tally, Verdict

NEEDED = (3,)


def vote(author: int, statement: bytes = b"block", *, alone: bool = False, height: int = 5) -> Letter:
    node_id = bytes([author]) * 32
    ballot = Ballot(("prepare", 0, height), statement, node_id, NEEDED, height + 10, height, alone)
    return Letter(author, (author, statement), "prepare", 200, author, (node_id, None), Policy.QUORUM, ballot)


class Booth:
    """One node's tally, with a clock."""

    def __init__(self) -> None:
        self.tally = Tally()
        self.now = 0

    def hear(self, letter: Letter, final: int = 0) -> Verdict:
        self.now += 1
        assert letter.ballot is not None
        return self.tally.arrive(self.now, 0, letter, letter.ballot, final)

    def say(self, letter: Letter, final: int = 0) -> list[Letter]:
        assert letter.ballot is not None
        return [entry.letter for entry in self.tally.own(letter.ballot, final)]

    def flush(self, final: int = 0) -> list[Letter]:
        return [entry.letter for entry in self.tally.flush(final)]


def test_the_last_vote_of_a_quorum_brings_all_of_them_in_order_of_arrival() -> None:
    booth = Booth()
    votes = [vote(author) for author in (7, 2, 5)]
    assert booth.hear(votes[0]) == Verdict([], [])
    assert booth.hear(votes[1]) == Verdict([], [])
    gathered = booth.hear(votes[2]).gathered
    assert [entry.letter for entry in gathered] == votes


def test_a_nodes_own_word_completes_a_quorum() -> None:
    booth = Booth()
    votes = [vote(1), vote(2)]
    for letter in votes:
        booth.hear(letter)
    assert booth.say(vote(9)) == votes
    assert booth.say(vote(9)) == []


def test_votes_for_different_statements_do_not_add_up() -> None:
    booth = Booth()
    booth.hear(vote(1, b"one"))
    booth.hear(vote(2, b"one"))
    assert not booth.hear(vote(3, b"other")).gathered
    assert booth.hear(vote(4, b"one")).gathered


def test_who_contradicts_itself_is_shown_with_both_statements_and_counted_once() -> None:
    booth = Booth()
    first, second = vote(1, b"one"), vote(1, b"other")
    booth.hear(first)
    assert booth.hear(second) == Verdict([], [first, second])
    booth.hear(vote(2, b"other"))
    assert not booth.hear(vote(3, b"other")).gathered
    assert booth.hear(vote(4, b"other")).gathered


def test_a_message_that_says_more_is_delivered_at_once_and_counts() -> None:
    booth = Booth()
    proposal = vote(0, alone=True)
    assert booth.hear(proposal) == Verdict([], [proposal])
    waiting = vote(1)
    booth.hear(waiting)
    assert booth.say(vote(9)) == [waiting]


def test_what_is_repeated_while_the_first_copy_waits_is_no_news_and_afterwards_is_delivered() -> None:
    booth = Booth()
    booth.hear(vote(1))
    assert booth.hear(vote(1)) == Verdict([], [])
    assert booth.flush() == [vote(1)]
    assert booth.hear(vote(1)) == Verdict([], [vote(1)])


def test_everything_that_waits_is_handed_over_before_a_timer_runs_out() -> None:
    booth = Booth()
    early, late = vote(2, height=6), vote(1, height=5)
    booth.hear(early)
    booth.hear(late)
    assert booth.flush() == [early, late]
    assert booth.flush() == []


def test_votes_after_a_quorum_are_dropped_only_once_the_height_is_final() -> None:
    booth = Booth()
    for author in (1, 2, 3):
        booth.hear(vote(author))
    booth.hear(vote(4), final=4)
    assert booth.flush(final=4) == [vote(4)]
    booth.hear(vote(5), final=5)
    assert booth.flush(final=5) == []


def test_without_a_quorum_votes_for_a_final_height_still_count_until_they_are_useless() -> None:
    """The node learned that the height is final in another way; its own word may still be wanted by others."""
    booth = Booth()
    booth.hear(vote(1), final=5)
    booth.hear(vote(2), final=5)
    assert len(booth.hear(vote(3), final=5).gathered) == 3
    other = Booth()
    for author in (1, 2, 3):
        assert other.hear(vote(author), final=15) == Verdict([], [])
    assert other.flush(final=15) == []
