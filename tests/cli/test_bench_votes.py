"""`raclette bench votes`: figures for programs, one digest for both kernels, one line for what cannot be run."""

from cli.shell import Shell


def test_both_kernels_bring_the_same_votes_and_say_how_fast(shell: Shell) -> None:
    results = []
    for kernel in ("reference", "fast"):
        outcome = shell("bench", "votes", "--nodes", "7", "--blocks", "2", "--kernel", kernel, "--json")
        assert outcome.code == 0
        results.append(outcome.json)
    assert results[0]["digest"] == results[1]["digest"]
    assert [result["kernel"] for result in results] == ["reference", "fast"]
    for result in results:
        # Six proposals, 36 prepares, 42 commits and six announcements a block, and 42 greetings.
        assert result["messages"] == 2 * (6 + 36 + 42 + 6) + 42
        assert result["blocks"] == 2
        measured = ("messages_per_s", "ratio", "heapq_s_per_event", "cpu_s", "compile_s", "target")
        assert all(result[key] >= 0 for key in measured)


def test_every_vote_by_itself_for_people(shell: Shell) -> None:
    outcome = shell("bench", "votes", "--nodes", "4", "--blocks", "1", "--policy", "every", "--kernel", "reference")
    assert outcome.code == 0
    assert "PBFT, 4 replicas, 1 blocks, policy every, reference kernel" in outcome.out


def test_what_is_unknown_is_one_line(shell: Shell) -> None:
    assert "policy: 'some' is unknown; accepted are every, quorum" in shell.refusal(
        2, "bench", "votes", "--policy", "some"
    )
    assert "kernel: 'quick' is unknown; accepted are" in shell.refusal(2, "bench", "votes", "--kernel", "quick")
