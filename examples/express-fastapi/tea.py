"""What Express asks: nothing here knows of a server, nor of JavaScript."""

from typing import TypedDict

from uncertainties import ufloat, umath

DRINKABLE = 60


class Cooling(TypedDict):
    minutes: float
    give_or_take: float
    because_of: dict[str, float]


def cooling(temperature: float, spread: float) -> Cooling:
    """When a cup of tea can be drunk, and how sure that is."""
    tea = ufloat(temperature, spread, "the tea")
    room = ufloat(21, 1, "the room")
    rate = ufloat(0.045, 0.004, "the cup")  # a minute
    if not temperature > DRINKABLE:
        raise ValueError(f"Tea of {temperature:g} °C is cool enough")
    minutes = umath.log((tea - room) / (DRINKABLE - room)) / rate
    parts = minutes.error_components()
    return {
        "minutes": round(minutes.n, 1),
        "give_or_take": round(minutes.s, 1),
        "because_of": {it.tag: round(s, 1) for it, s in parts.items()},
    }
