"""The pages of a world, rendered from its context by the templates of `src/report`.

The filters and functions here are what the templates may use beyond those built in; the program provides the
same under the same names. `python pages.py` renders all worlds into a folder and holds that both engines, the
one the program uses (minijinja) and jinja2, make the same pages.
"""

import argparse
import base64
import hashlib
import json
import math
import re
import tomllib
from pathlib import Path

import jinja2
import minijinja

HERE = Path(__file__).parent
REPORT = HERE.parents[1] / "src" / "report"
WORDS = tomllib.loads((REPORT / "strings.en.toml").read_text(encoding="utf-8"))
FORMAT = WORDS["format"]


# ---- numbers and dates as text ----------------------------------------------------------------------------


def decimals(value, places):
    """Rounded half away from zero on the shortest decimal text, with the language's signs."""
    text = f"{abs(value):.{places}f}"
    is_negative = value < 0 and float(text) != 0
    whole, _, part = text.partition(".")
    whole = re.sub(r"(?<=\d)(?=(\d{3})+$)", FORMAT["thousands"], whole)
    return (FORMAT["minus"] if is_negative else "") + whole + (FORMAT["decimal"] + part if part else "")


def count(value):
    return decimals(value, 0)


def whole(value):
    return decimals(value, 0)


def points(value):
    return decimals(value, 1)


def with_sign(value, text):
    return "+" + text if value > 0 and re.search("[1-9]", text) else text


def signed(value):
    return with_sign(value, points(value))


def signed_whole(value):
    return with_sign(value, whole(value))


def number(value, places):
    return decimals(value, places)


def percent(share):
    value = 100 * share
    places = 1 if abs(value) < 9.95 and value != 0 else 0
    return FORMAT["percent"].format(value=decimals(value, places))


def tick(value):
    text = decimals(value, 2)
    return text.rstrip("0").rstrip(FORMAT["decimal"]) if FORMAT["decimal"] in text else text


def tick_percent(share):
    return FORMAT["percent"].format(value=tick(100 * share))


def money(value):
    amount, currency = value["amount"], value["currency"]
    symbol = FORMAT["symbols"].get(currency, currency and currency + " ")
    if abs(amount) >= 999_500:
        return FORMAT["money_millions"].format(symbol=symbol, amount=decimals(amount / 1e6, 1))
    if abs(amount) >= 9_950:
        return FORMAT["money_thousands"].format(symbol=symbol, amount=decimals(amount / 1e3, 0))
    return FORMAT["money"].format(symbol=symbol, amount=decimals(amount, 0))


def date(day):
    year, month, number = day.split("-")
    return FORMAT["date"].format(day=int(number), month=FORMAT["months"][int(month) - 1], year=year)


def day(day):
    year, month, number = day.split("-")
    return FORMAT["day"].format(day=int(number), month_short=FORMAT["months_short"][int(month) - 1])


def period(text):
    if text == "window":
        return WORDS["common"]["window"]
    year, part = text.split("-")
    if part.startswith("W"):
        return FORMAT["week"].format(week=int(part[1:]), year=year)
    return FORMAT["month"].format(month=FORMAT["months"][int(part) - 1], year=year)


def period_beside(text, other):
    """Without its year, where the other has the same."""
    year, part = text.split("-")
    if not other.startswith(year + "-"):
        return period(text)
    return FORMAT["week_beside"].format(week=int(part[1:])) if part.startswith("W") else FORMAT["months"][int(part) - 1]


def period_short(text, before):
    """With its year, unless the one before it has the same."""
    year, part = text.split("-")
    form = "short" if before and before.startswith(year + "-") else "short_year"
    if part.startswith("W"):
        return FORMAT[f"week_{form}"].format(week=int(part[1:]), year=year)
    return FORMAT[f"month_{form}"].format(month_short=FORMAT["months_short"][int(part) - 1], year=year)


# ---- places in a drawing ----------------------------------------------------------------------------------


def place(value, axis):
    """Where the value lies on the axis, from 0 to 1; never outside."""
    low, high = axis["low"], axis["high"]
    if axis["is_log"]:
        value, low, high = math.log(max(value, low)), math.log(low), math.log(high)
    return min(max((value - low) / (high - low), 0), 1) if high > low else 0.5


def coordinate(value):
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def at(value, axis):
    """The value's place on the axis, in percent from its low end."""
    return coordinate(100 * place(value, axis))


def up(value, axis):
    """The same from above: charts count from their upper edge."""
    return coordinate(100 * (1 - place(value, axis)))


def length_on(value, axis):
    span = axis["high"] - axis["low"]
    return coordinate(100 * min(abs(value) / span, 1) if span else 0)


# ---- text for places that know no markup --------------------------------------------------------------------


RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001efff]")


def clean(text):
    """Data inside a sentence: one line, no control characters, nothing that turns the rest of the sentence."""
    text = re.sub("[\u0000-\u001f\u007f-\u009f\u2028\u2029]+", " ", text)
    text = re.sub("[\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069\ufeff]", "", text).strip()
    return f"\u2068{text}\u2069" if RIGHT_TO_LEFT.search(text) else text


def markdown(text):
    """A sentence in which nothing is Markdown or HTML."""
    text = re.sub(r"([\\`*_{}\[\]<>#|~!&@])", r"\\\1", text)
    return text.replace("://", ":\\/\\/").replace("www.", "www\\.")


def address(url):
    """An address that cannot leave its angle brackets."""
    return re.sub(r"[^A-Za-z0-9\-._~:/?#@!$&'()*+,;=%]", lambda c: "".join(f"%{b:02X}" for b in c[0].encode()), url)


FILTERS = {
    f.__name__: f
    for f in [
        count, whole, points, signed, signed_whole, number, percent, tick, tick_percent, money,
        date, day, period, period_beside, period_short, coordinate, at, up, length_on, markdown, address,
    ]
}


# ---- words ------------------------------------------------------------------------------------------------


def entry(key):
    value = WORDS
    for part in key.split("."):
        if not isinstance(value, dict) or part not in value:
            return None
        value = value[part]
    return value


def t(key, **placeholders):
    """The words at `key`, its placeholders filled in: integers as counts, text cleaned."""
    words = entry(key)
    if isinstance(words, dict):
        words = words["one" if placeholders["n"] == 1 else "other"]
    if not isinstance(words, str):
        raise KeyError(f"no words at {key!r}")
    asked = set(re.findall(r"\{(\w+)\}", words))
    if asked - placeholders.keys():
        raise KeyError(f"{key!r} asks for {asked - placeholders.keys()}")
    fill = {
        name: count(value) if isinstance(value, int) else clean(value) for name, value in placeholders.items()
    }
    return re.sub(r"\{(\w+)\}", lambda found: fill[found[1]], words)


def t_or(key, fallback):
    """The words at `key`; the fallback, as it is, where the language has none."""
    words = entry(key)
    return words if isinstance(words, str) else str(fallback)


# ---- engines ----------------------------------------------------------------------------------------------

STYLE = (REPORT / "style.css").read_text(encoding="utf-8")
GLOBALS = {
    "t": t,
    "t_or": t_or,
    "words": WORDS,
    "style": STYLE,
    "style_hash": base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode(),
}


# Which template is asked for decides whether text is escaped, also in what it imports.
MINIJINJA = minijinja.Environment(
    loader=lambda name: (REPORT / name).read_text(encoding="utf-8"),
    undefined_behavior="strict", trim_blocks=True, lstrip_blocks=True, filters=FILTERS, globals=GLOBALS,
)


def jinja2_engine(escapes):
    engine = jinja2.Environment(
        loader=jinja2.FileSystemLoader(REPORT), autoescape=escapes, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )
    engine.filters.update(FILTERS)
    engine.globals.update(GLOBALS)
    return engine


JINJA2 = {escapes: jinja2_engine(escapes) for escapes in (True, False)}


def same(text):
    """The engines write quotes and slashes differently; a browser reads the same."""
    for name, character in [("&#x27;", "'"), ("&#39;", "'"), ("&#34;", '"'), ("&quot;", '"'), ("&#x2f;", "/")]:
        text = text.replace(name, character)
    return text.rstrip("\n")


def render(template, context):
    page = MINIJINJA.render_template(template, **context)
    other = JINJA2[template.endswith(".html")].get_template(template).render(context)
    if same(page) != same(other):
        at = next(i for i, (a, b) in enumerate(zip(same(page), same(other))) if a != b)
        raise AssertionError(f"{template}: {same(page)[at - 80:at + 80]!r} against {same(other)[at - 80:at + 80]!r}")
    return page


def pages(world):
    """Path and text of every page of a world."""
    context = json.loads((HERE / "worlds" / f"{world}.json").read_text(encoding="utf-8"))
    report = context["leadership"]
    yield "leadership.html", render("leadership.html", report)
    yield "digest.md", render("digest.md", report)
    yield "digest.txt", render("digest.txt", report)
    yield "dictionary.html", render("dictionary.html", context["dictionary"])
    yield "stores/index.html", render("stores.html", context["stores"])
    for sheet in context["sheets"]:
        yield sheet["sheet"]["file"], render("store.html", sheet)


def compare(ours, drawn):
    """The pages of every world as they are here and as the program has drawn them."""
    seen = 0
    for file in sorted(path for path in ours.rglob("*") if path.suffix in {".html", ".md", ".txt"}):
        one, other = (same(path.read_text(encoding="utf-8")) for path in (file, drawn / file.relative_to(ours)))
        if one != other:
            at = next((i for i, (a, b) in enumerate(zip(one, other)) if a != b), min(len(one), len(other)))
            raise SystemExit(f"{file.relative_to(ours)}: {one[at - 80:at + 80]!r}, by the program {other[at - 80:at + 80]!r}")
        seen += 1
    assert seen >= 50, f"only {seen} pages"
    print(f"{seen} pages are the same by the program")


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--same", action="store_true", help="compare the pages in `output` with those in the folder named next")
    arguments.add_argument("output", type=Path)
    arguments.add_argument("worlds", nargs="*", help="all of `worlds/` unless named")
    asked = arguments.parse_args()
    if asked.same:
        compare(asked.output, Path(asked.worlds[0]))
        return
    worlds = asked.worlds or sorted(path.stem for path in (HERE / "worlds").glob("*.json"))
    assert worlds, "no world"
    for world in worlds:
        made = 0
        for path, text in pages(world):
            file = asked.output / world / path
            assert file.resolve().is_relative_to((asked.output / world).resolve()), path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
            assert len(text.encode()) < 2_000_000, f"{path}: {len(text.encode())} bytes"
            made += 1
        size = (asked.output / world / "leadership.html").stat().st_size
        print(f"{world}: {made} pages, leadership.html {size:,} bytes")


if __name__ == "__main__":
    main()
