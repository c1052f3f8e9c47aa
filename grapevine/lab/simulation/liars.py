"""A seed that lies about runs: it names invented ones, denies true ones, or says nothing."""

from grapevine.addresses import Address
from grapevine.classes import seed_class
from grapevine.settings import Settings
from grapevine.signing import grammar

LIES = ("invents", "denies", "is silent")


class LyingSeed:
    """Goes before the class of a seed. It decides by chance, for each answer, how it lies."""

    def tell_runs(self, link, address: Address, alive: bool | None = None) -> None:
        lie = self.rng.choice(LIES)
        if lie != "is silent":
            invented = [self.rng.getrandbits(62)] if lie == "invents" else []
            link.send(grammar.say_runs(address, invented))


def lying_class(settings: Settings) -> type:
    return type("Liar", (LyingSeed, seed_class(settings)), {})
