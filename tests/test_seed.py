"""A seed over real sockets: registration is verified, deaths are probed, words are checked."""

from tests.tools.fakes import run_late
from tests.tools.files import count, wait_event
from tests.tools.nets import FAST
from tests.tools.ports import free_address
from tests.tools.registering import register, registered
from tests.tools.waiting import wait_until


def report(dead, reporter):
    return f"Dead Node:{dead.address}:1.000000:{reporter.address}"


def test_a_peer_that_answers_is_registered_and_listed_to_all_but_itself(net):
    seed, = net.seeds(1)
    (one, end), (other, _) = registered(net, seed), registered(net, seed)
    end.say("peer list")
    assert end.hear() == f"peer list:{other.address.listed}"
    stranger = net.dial(seed)
    stranger.say("peer list")
    assert set(stranger.hear().split(":")[1:]) == {one.address.listed, other.address.listed}
    assert wait_event(seed, f"peer list:{one.address}:1")


def test_registering_again_is_answered_at_once(net):
    seed, = net.seeds(1)
    fake, end = registered(net, seed)
    fake.answers = False  # no probe would succeed
    end.say(f"register:{fake.address}")
    assert end.hear() == "registered successfully"
    assert count(seed, "registered:") == 1


def test_an_address_that_does_not_answer_is_refused_and_may_try_again(net):
    seed, = net.seeds(1)
    silent = net.fake(answers=False)
    end = register(net, seed, silent)
    assert end.hear().startswith("registration refused:")
    assert wait_event(seed, f"refused:{silent.address}:")
    silent.answers = True
    end.say(f"register:{silent.address}")
    assert end.hear() == "registered successfully"


def test_an_address_with_another_ip_is_refused_without_a_probe(net):
    seed, = net.seeds(1)
    fake = net.fake()
    end = register(net, seed, fake, ip="127.0.0.9")
    assert end.hear().startswith("registration refused:")
    assert seed.registry.addresses() == ()


def test_a_name_instead_of_an_ip_is_refused_in_words_and_the_connection_stays(net):
    seed, = net.seeds(1)
    fake, end = net.fake(), net.dial(seed)
    end.say("register:localhost:5051", f"register:{fake.address}")
    fault = "'localhost:5051': 'localhost' does not appear to be an IPv4 or IPv6 address"
    assert end.hear() == f"registration refused:{fault}"
    assert end.hear() == "registered successfully"
    assert wait_event(seed, "refused:").endswith(fault)
    end.say("register:localhost:5051", "peer list")
    assert [end.hear(), end.hear()] == [f"registration refused:{fault}", "peer list:"]


def test_a_false_report_by_a_registered_peer_is_rejected(net):
    seed, = net.seeds(1)
    (accused, _), (reporter, end) = registered(net, seed), registered(net, seed)
    end.say(report(accused, reporter))
    assert wait_event(seed, f"rejected:{report(accused, reporter)}:")
    assert accused.address in seed.registry.addresses()


def test_a_false_report_by_a_stranger_is_rejected(net):
    seed, = net.seeds(1)
    accused, _ = registered(net, seed)
    stranger = net.dial(seed, "127.0.0.9")
    stranger.say(report(accused, accused))
    event = wait_event(seed, f"rejected:{report(accused, accused)}:")
    assert event.endswith("neither a registered peer nor a seed")
    net.dial(seed).say(report(accused, accused))  # from a seed's IP: probed, and it answers
    wait_until(lambda: count(seed, f"rejected:{report(accused, accused)}:it answers"))
    assert accused.address in seed.registry.addresses()


def test_a_report_in_the_name_of_another_is_rejected(net):
    seed, = net.seeds(1)
    (accused, _), (other, _) = registered(net, seed), registered(net, seed)
    _, end = registered(net, seed)
    accused.answers = False
    end.say(report(accused, other))
    assert wait_event(seed, f"rejected:{report(accused, other)}:")
    assert accused.address in seed.registry.addresses()


def test_a_true_report_removes_tells_everyone_and_reaches_the_other_seeds(net):
    first, second = net.seeds(2)
    for seed in (first, second):
        run_late(seed, 0.0)  # else it may be too busy to find out, and nobody asks it again
    dead, its_end = registered(net, first)
    assert register(net, second, dead).hear() == "registered successfully"
    reporter, end = registered(net, first)
    _, witness_of_second = registered(net, second)
    dead.answers = False
    end.say(report(dead, reporter))
    assert wait_event(first, f"removed:{dead.address}:dead")
    assert its_end.hear_end()
    assert end.hear() == report(dead, reporter)
    assert witness_of_second.hear() == report(dead, reporter)
    assert wait_event(second, f"dead report:{report(dead, reporter)}")
    end.say(report(dead, reporter))  # again: written down, passed on no more
    wait_until(lambda: count(first, "dead report:") == 2)
    end.say("peer list")
    assert end.hear() == "peer list:"
    for seed in (first, second):
        assert count(seed, "passed on:") == count(seed, f"passed on:{report(dead, reporter)}") == 1
        assert count(seed, "not told:") == 0


def test_a_seed_writes_which_other_seed_it_could_not_tell(net):
    """The proof asks that seed for nothing of which it could not hear."""
    net.seed_addresses = [free_address(), free_address()]
    seed = net.seed(net.seed_addresses[0])
    run_late(seed, 0.0)
    dead, _ = registered(net, seed)
    reporter, end = registered(net, seed)
    dead.answers = False
    end.say(report(dead, reporter))
    assert wait_event(seed, f"not told:{net.seed_addresses[1]}:Connection refused")


def test_a_report_about_one_who_is_gone_already_is_passed_on_once(net):
    seed, = net.seeds(1)
    dead, its_end = registered(net, seed)
    reporter, end = registered(net, seed)
    dead.close()
    its_end.close()
    assert wait_event(seed, f"removed:{dead.address}:gone")
    assert count(seed, "passed on:") == 0
    end.say(report(dead, reporter))
    assert end.hear() == report(dead, reporter)
    assert wait_event(seed, f"passed on:{report(dead, reporter)}")


def test_a_peer_that_registers_anew_replaces_its_old_connection(net):
    seed, = net.seeds(1)
    fake, old = registered(net, seed)
    new = register(net, seed, fake)
    assert new.hear() == "registered successfully"
    assert old.hear_end()
    new.say("peer list")
    assert new.hear() == "peer list:" and seed.registry.addresses() == (fake.address,)
    assert count(seed, "removed:") == 0


def test_leaving_counts_on_ones_own_registration_only(net):
    seed, = net.seeds(1)
    (one, end), (other, other_end) = registered(net, seed), registered(net, seed)
    end.say(f"leave:{other.address}", "peer list")
    assert end.hear() == f"peer list:{other.address.listed}"
    other_end.say(f"leave:{other.address}")
    assert wait_event(seed, f"removed:{other.address}:left")
    assert other_end.hear_end() and seed.registry.addresses() == (one.address,)


def test_many_registrations_of_one_address_share_a_probe(net):
    seed, = net.seeds(1)
    silent = net.fake(answers=False)
    ends = [register(net, seed, silent) for _ in range(20)]
    for end in ends:
        assert end.hear().startswith("registration refused:")
    assert len(silent._ends) <= 2 * seed.settings.probe_tries


def test_a_flood_of_reports_and_of_vanished_registrations_keeps_nobody_out(net):
    net.settings = FAST._replace(probe_limit=2.0)
    seed, = net.seeds(1)
    reporter, end = registered(net, seed)
    silent = [net.fake(answers=False) for _ in range(100)]
    for fake in silent:
        net.dial(seed).say(f"register:{fake.address}")
    for end_of in net.ends[-100:]:
        end_of.close()
    end.say(*(f"Dead Node:127.0.0.1:{port}:1.000000:{reporter.address}"
              for port in range(1, 20_000)))
    newcomer = register(net, seed, net.fake())
    assert newcomer.hear() == "registered successfully"
    wait_until(lambda: seed.counters.get("dead reports not looked at", 0) > 1000)


def test_a_question_during_verification_does_not_end_it(net):
    net.settings = FAST._replace(introduction_limit=1.0, probe_limit=1.5)
    seed, = net.seeds(1)
    fake = net.fake(answers=False)
    end = register(net, seed, fake)
    end.say("peer list")
    assert end.hear() == "peer list:"
    assert end.hear().startswith("registration refused:")


def test_the_deadline_of_those_who_only_asked_runs_from_their_last_line(net):
    net.settings = FAST._replace(introduction_limit=1.0)
    seed, = net.seeds(1)
    end = net.dial(seed)
    for _ in range(3):
        end.say("peer list")
        assert end.hear() == "peer list:"
    assert end.hear_end()
    assert wait_event(seed, "refused:")


def test_a_seed_whose_peers_are_frozen_lists_whom_it_can_reach(net):
    seed, = net.seeds(1)
    accused, _ = registered(net, seed)
    reporter, end = registered(net, seed)
    unknown = free_address()
    end.say(f"Dead Node:{unknown}:1.000000:{reporter.address}")
    assert wait_event(seed, f"rejected:Dead Node:{unknown}").endswith("not registered here")
    assert seed.registry.addresses() == tuple(sorted([accused.address, reporter.address]))
