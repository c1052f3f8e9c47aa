"""The rules of the live page's script, played without a page: the model, the layout, the waves.

Skipped where no `node` is installed."""

import json
import shutil
import subprocess

import pytest

from grapevine.lab.pictures import live_server
from tests.pictures.test_live_page import PARTS

NODE = shutil.which("node")
FREE = "".join(PARTS[name] for name in live_server.SCRIPTS[:3])
BEGIN = """
const model = new Model(), layout = new Layout(), events = [];
const seconds = value => Math.round(value * 1e6);
const tell = (time, ...event) => events.push([seconds(time), ...event]);
for (let peer = 0; peer < 4; peer++) {
  tell(0, "node", peer, "peer", "127.0.0.1:500" + peer);
  tell(1, "state", peer, "joining");
}
tell(0, "node", 9, "seed", "127.0.0.1:8080");
tell(0, "state", 9, "up");
const link = (time, one, other) => {
  tell(time, "connected", one, other, "");
  tell(time, "connected", other, one, "");
  for (const end of [one, other]) tell(time, "state", end, "up");
};
link(2, 0, 1); link(2, 1, 2); link(2, 2, 3); link(2, 3, 0);
const answer = {};
const look = (times, what) => {
  model.take(events);
  for (const time of times) {
    model.seek(seconds(time));
    answer[time] = what();
  }
};
const sync = () => layout.sync(
  model.shown().filter(node => !node.seed).map(node => node.number), model.links());
const places = () => Object.fromEntries([...layout.places].map(([n, p]) => [n, [p.x, p.y]]));
"""

pytestmark = pytest.mark.skipif(NODE is None, reason="needs node")


def play(script: str, hops: str = "1.5e6") -> dict:
    """What a script leaves in `answer`, of a page that keeps so many deliveries."""
    assert "const HOPS = 1.5e6;" in FREE
    free = FREE.replace("const HOPS = 1.5e6;", f"const HOPS = {hops};")
    whole = free + BEGIN + script + "\nconsole.log(JSON.stringify(answer));"
    done = subprocess.run([NODE, "-"], input=whole, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


PLAYED = {  # rule -> a script, and what it leaves in `answer`
    "messages that are not shown count in the past too": ("""
        tell(5, "generated", 0, 1, "hello"); tell(6, "generated", 0, 4, "hello");
        look([4, 5, 6], () => model.figures().messages);
    """, {"4": 0, "5": 1, "6": 4}),
    "misses are those of the neighbour that counts most until it answers": ("""
        tell(5, "liveness missed", 1, 0, 1); tell(6, "liveness missed", 3, 0, 2);
        tell(7, "liveness reply", 3, 0, ""); tell(8, "liveness reply", 1, 0, "");
        look([4, 5, 6, 7, 8], () => model.nodes.get(0).missed);
    """, {"4": 0, "5": 1, "6": 2, "7": 1, "8": 0}),
    "the dead keep their place until half a minute after their removal": ("""
        tell(10, "state", 0, "lost"); tell(20, "state", 0, "dead");
        tell(25, "removed", 9, 0, "dead");
        look([19, 54, 56], () => model.shown().some(node => node.number === 0));
    """, {"19": True, "54": True, "56": False}),
    "time goes back and what comes late finds its place": ("""
        model.take(events);
        model.seek(seconds(30));
        model.take([[seconds(10), "state", 0, "lost"], [seconds(12), "state", 0, "up"]]);
        for (const time of [11, 30, 9, 11]) {
          model.seek(seconds(time));
          (answer[time] ??= []).push(model.nodes.get(0).state);
        }
    """, {"9": ["up"], "11": ["lost", "lost"], "30": ["up"]}),
    "a long text is cut between letters": ("""
        for (const text of ["abcd", "abcde", "a😀😀😀", "a😀😀😀😀"]) {
          answer[text] = shortened(text, 4);
        }
    """, {"abcd": "abcd", "abcde": "abcd…", "a😀😀😀": "a😀😀😀", "a😀😀😀😀": "a😀😀😀…"}),
    "what is fetched later than three seconds is in the sentence and not in the wave": ("""
        tell(5, "generated", 0, 1, "hello"); tell(5.001, "received", 1, 0, 1);
        tell(8.5, "received", 2, 1, 1);
        model.take(events);
        const seen = [];
        model.seek(seconds(9), event => seen.push(event[1]));
        answer.hops = model.messages.get(1).hops.length / 3;
        answer.late = seen.includes("late");
        tell(9, "received", 3, 0, 1); tell(60, "received", 1, 0, 1);  // which began anew
        model.take(events.slice(-2));
        const wave = new Wave(model.messages.get(1), 0, true);
        for (const time of [8, 8.5, 9, 60]) {
          model.seek(seconds(time));
          answer[time] = wave.sentence(model).split(": ").slice(1).join(": ");
        }
    """, {"hops": 1, "late": True, "8": "2 of 4 have it; not yet: 5002, 5003",
          "8.5": "3 of 4 have it; not yet: 5003", "9": "4 of 4 have it; all in 4,000 ms",
          "60": "4 of 4 have it; all in 4,000 ms"}),
    "who watches slower than it happens falls behind and comes back with live": ("""
        const player = new Player();
        player.turn(0, seconds(10));
        player.setSpeed(4); player.turn(1000, seconds(11));
        answer.fast = player.at;
        player.setSpeed(0.5); player.turn(1000, seconds(11)); player.turn(1000, seconds(12));
        answer.slow = player.at;
        player.goLive(); player.turn(1000, seconds(13));
        answer.live = player.at;
    """, {"fast": 11e6, "slow": 11.5e6, "live": 13e6}),
    "what the viewer lets a peer say is shown before newer messages": ("""
        tell(5, "generated", 0, 1, "hello"); tell(5.01, "generated", 1, 2, "hello");
        tell(5.02, "generated", 2, 3, "message 1");
        model.take(events);
        const waves = new Waves(), shown = () => waves.active.map(wave => wave.message.number);
        model.seek(seconds(7), ([, kind, , number]) => {
          if (kind === "generated") waves.pending.push(model.messages.get(number));
        });
        waves.wish = {origin: 0, text: "hello, and more than the stream has"};
        waves.turn(0, seconds(5.1), seconds(5.1));
        answer.early = shown();
        waves.turn(0, seconds(7), seconds(7));
        answer.first = shown();
        waves.turn(STRETCH + HOLD, seconds(7), seconds(7));
        waves.turn(0, seconds(7), seconds(7));
        answer.then = shown();
    """, {"early": [], "first": [1], "then": [3]}),
    "the next event is the end of a step and deliveries are none": ("""
        link(5, 0, 2); tell(5.0015, "connected", 1, 3, ""); tell(6, "registered", 1, 9, "");
        tell(7, "generated", 0, 1, "hello"); tell(7.001, "received", 1, 0, 1);
        tell(9, "removed", 9, 1, "gone");
        model.take(events); model.seek(seconds(3));
        answer.steps = [];
        for (let time; (time = model.nextStep()) !== null; model.seek(time)) {
          answer.steps.push(time);
        }
    """, {"steps": [5.0015e6, 7e6, 9e6]}),
}


@pytest.mark.parametrize("script, told", PLAYED.values(), ids=PLAYED)
def test_the_model_and_the_waves(script, told):
    assert play(script) == told


def test_a_link_counts_while_both_ends_tell_it_and_figures_are_of_the_moment():
    told = play("""
        tell(5, "disconnected", 0, 1, "lost");
        look([1.5, 3, 6], () => model.figures());
    """)
    assert told["1.5"]["links"] == 0 and told["1.5"]["peers"] == 4 and told["1.5"]["pieces"] == 0
    assert told["3"] | {"messages": 0} == {"peers": 4, "links": 4, "pieces": 1, "least": 2,
                                           "median": 2, "most": 2, "messages": 0}
    assert told["6"] | {"links": 3, "least": 1, "median": 1.5, "most": 2} == told["6"]


def test_who_stands_keeps_its_place_when_others_come_and_go():
    told = play("""
        model.take(events);
        model.seek(seconds(3)); sync();
        layout.turn(5000);
        answer.rested = !layout.moving;
        answer.before = places();
        tell(5, "node", 4, "peer", "127.0.0.1:5004");
        tell(5, "state", 4, "joining"); link(6, 4, 1);
        tell(7, "state", 3, "dead");
        model.take(events.splice(0)); model.seek(seconds(8)); sync();
        layout.turn(5000);
        answer.after = places();
    """)
    before, after = told["before"], told["after"]
    assert told["rested"] and after.keys() - before.keys() == {"4"}
    moved = {node: abs(x - after[node][0]) + abs(y - after[node][1])
             for node, (x, y) in before.items()}
    assert moved["0"] == moved["2"] == moved["3"] == 0 and moved["1"] < 0.1


def test_a_wave_tells_who_has_the_message_and_how_much_slower_it_is_shown():
    told = play("""
        tell(5, "generated", 0, 1, "hello");
        tell(5.001, "received", 1, 0, 1); tell(5.002, "received", 3, 0, 1);
        tell(5.004, "received", 2, 1, 1);
        model.take(events); model.seek(seconds(6));
        const wave = new Wave(model.messages.get(1), 0);
        wave.elapsed = STRETCH / 2;
        answer.half = wave.sentence(model);
        wave.elapsed = STRETCH;
        answer.whole = wave.sentence(model);
        answer.still = new Wave(model.messages.get(1), 0, true).sentence(model);
        wave.span = STRETCH * 1e3;
        answer.even = wave.sentence(model);
        tell(4.5, "state", 2, "lost"); tell(5.5, "state", 2, "up");
        model.take(events.slice(-2)); model.seek(seconds(6));
        answer.expected = [...model.messages.get(1).up];
    """)
    assert told["half"] == ("“hello” from 5000: 3 of 4 have it; all in 4.0 ms, "
                            "shown 400 times slower")
    assert told["whole"].startswith("“hello” from 5000: 4 of 4 have it")
    assert told["still"] == "“hello” from 5000: 4 of 4 have it; all in 4.0 ms"
    assert told["even"].endswith("; all in 4.0 ms, shown as fast as it was")
    assert told["expected"] == [0, 1, 3]


def test_a_page_keeps_a_bounded_number_of_deliveries_and_counts_what_it_forgot():
    told = play("""
        model.take(events);
        const say = (time, number, later) => model.take([
          [seconds(time), "generated", 0, number, "hello"],
          ...[1, 2, 3].map(to => [seconds(time + later), "received", to, 0, number])]);
        const most = [];
        for (let number = 1; number <= HOPS; number++) {
          const later = number <= HOPS / 2 ? 0.001 : 4;
          say(10 + number * 1e-3 + later * 1e3, number, later);
          most.push(model.hops);
        }
        model.seek(model.head);
        answer.most = Math.max(...most) <= HOPS;
        answer.late = model.late.length <= HOPS;
        answer.messages = model.figures().messages === HOPS;
        answer.received = model.receivedBy(model.nodes.get(2)) === HOPS;
    """, hops="3e3")
    assert told == {"most": True, "late": True, "messages": True, "received": True}


def test_a_stream_in_which_nothing_comes_is_opened_anew_and_the_page_says_so():
    told = play("""
        const document = {hidden: false, addEventListener() {}}, sources = [], timers = new Set();
        const clearTimeout = timer => timers.delete(timer);
        const setTimeout = (act, after) => {
          const timer = {act, after};
          return timers.add(timer) && timer;
        };
        class EventSource {
          constructor() { this.on = {}; sources.push(this); }
          addEventListener(kind, act) { this.on[kind] = act; }
          close() { this.closed = true; }
        }
    """ + PARTS["live_stream.js"] + """
        let blocks = 0;
        const stream = new Stream(() => { blocks += 1; }, () => {}, () => {});
        sources[0].on.open();
        for (const data of ["{}", "{}"]) {
          const [timer] = timers;
          sources[0].on.message({data});
          answer.waits = timers.size === 1 && !timers.has(timer);
        }
        const [silence] = timers;
        silence.act();
        Object.assign(answer, {blocks, after: silence.after, connected: stream.connected,
          opened: sources.length, closed: sources[0].closed});
        stream.close();
        answer.left = timers.size;
    """)
    assert told.pop("after") > 2_000  # a page in peace is told something each second
    assert told == {"blocks": 2, "waits": True, "connected": False, "opened": 2, "closed": True,
                    "left": 0}
