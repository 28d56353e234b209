"""Templates, words, context and worlds say the same: `python tidy.py [RUN]`; RUN: the pages of a published run.

- Every field of `src/report/context.rs` stands in every world, and nothing else does; values have its types.
- Every word that a template asks for is there, and every word that is there is asked for.
- Templates print without escaping nothing but the style, and carry no script, handler or style attribute.
- Statistics stay where they belong: none of their words on a sheet, and E-values and the like only at the end.
Each check is seen to fail before it is believed.
"""

import json
import re
import sys
from pathlib import Path

import pages

HERE = Path(__file__).parent


# ---- context and worlds -----------------------------------------------------------------------------------


def shapes(rust):
    """Structs with their fields' types, and enums with their values, of a Rust file."""
    structs, enums = {}, {}
    rust = re.sub(r"^\s*//.*$", "", rust, flags=re.M)
    for name, body in re.findall(r"pub struct (\w+) \{(.*?)\n\}", rust, re.S):
        structs[name] = dict(re.findall(r"pub (\w+): ([\w<>]+),", body))
    for name, body in re.findall(r"pub enum (\w+) \{(.*?)\n\}", rust, re.S):
        variants = re.findall(r'(?:#\[serde\(rename = "(\w+)"\)\]\s*)?(\w+),', body)
        enums[name] = {said or re.sub(r"(?<!^)(?=[A-Z])", "_", variant).lower() for said, variant in variants}
    return structs, enums


def misfits(value, kind, structs, enums, at):
    """Where a value is not of its type."""
    if inner := re.fullmatch(r"Option<(.+)>", kind):
        return [] if value is None else misfits(value, inner[1], structs, enums, at)
    if inner := re.fullmatch(r"Vec<(.+)>", kind):
        if not isinstance(value, list):
            return [f"{at}: no list"]
        return [problem for i, item in enumerate(value) for problem in misfits(item, inner[1], structs, enums, f"{at}[{i}]")]
    if kind in structs:
        if not isinstance(value, dict):
            return [f"{at}: no {kind}"]
        found = [f"{at}: `{name}` is no field of {kind}" for name in value.keys() - structs[kind].keys()]
        found += [f"{at}: {kind} lacks `{name}`" for name in structs[kind].keys() - value.keys()]
        for name in structs[kind].keys() & value.keys():
            found += misfits(value[name], structs[kind][name], structs, enums, f"{at}.{name}")
        return found
    if kind in enums:
        return [] if value in enums[kind] else [f"{at}: {value!r} is no {kind}"]
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    fits = {
        "String": isinstance(value, str),
        "bool": isinstance(value, bool),
        "f64": is_number,
        "i64": is_number and isinstance(value, int),
        "u64": is_number and isinstance(value, int) and value >= 0,
        "u8": is_number and isinstance(value, int) and 0 <= value < 256,
    }
    return [] if fits[kind] else [f"{at}: {value!r} is no {kind}"]


def worlds_fit():
    structs, enums = shapes((pages.REPORT / "context.rs").read_text(encoding="utf-8"))
    assert len(structs) >= 40 and len(enums) >= 8, (len(structs), len(enums))
    parts = {"leadership": "Leadership", "stores": "StoresPage", "sheets": "Vec<SheetPage>", "dictionary": "DictionaryPage"}
    worlds = sorted((HERE / "worlds").glob("*.json"))
    assert len(worlds) >= 5
    for path in worlds:
        world = json.loads(path.read_text(encoding="utf-8"))
        assert world.keys() == parts.keys()
        problems = [p for part, kind in parts.items() for p in misfits(world[part], kind, structs, enums, f"{path.stem}.{part}")]
        assert not problems, "\n".join(problems[:20])
        for spoil in [lambda run: run.pop("version"), lambda run: run.update(extra=1), lambda run: run.update(inputs="1"), lambda run: run.update(min_cell=None)]:
            run = dict(world["leadership"]["run"])
            spoil(run)
            assert misfits(run, "Run", structs, enums, "run"), "a spoiled run is not seen"
    assert misfits("sideways", "Direction", structs, enums, "")
    print(f"{len(worlds)} worlds fit {len(structs)} structs and {len(enums)} enums")


# ---- words ------------------------------------------------------------------------------------------------


def leaves(words, prefix=""):
    for name, value in words.items():
        if isinstance(value, dict) and not value.keys() == {"one", "other"}:
            yield from leaves(value, f"{prefix}{name}.")
        else:
            yield prefix + name


def lacking(templates, keys):
    """Keys that are asked for and not there, and such that are there and never asked for."""
    # `t("a.b" …)` asks for one key, `t("a." ~ x …)` for any that begin so, `t(x ~ ".title")` for any that end so.
    asked = set(re.findall(r'\bt(?:_or)?\("([\w.]+)"(?! ~)', templates)) | set(re.findall(r"\bwords\.([\w.]+)", templates))
    asked |= {key for pair in re.findall(r'\bt\("([\w.]+)" if .*? else "([\w.]+)"', templates) for key in pair}
    begun = set(re.findall(r'\bt(?:_or)?\("([\w.]+)" ~', templates))
    ended = set(re.findall(r'~ "(\.\w+)"\)', templates))
    missing = {key for key in asked if key not in keys and not key.startswith("format")}
    missing |= {start for start in begun if not any(key.startswith(start) for key in keys)}
    spare = {
        key for key in keys
        if key not in asked and not any(key.startswith(start) for start in begun) and not any(key.endswith(end) for end in ended)
    }
    return missing, spare


def words_fit():
    templates = "\n".join(path.read_text(encoding="utf-8") for path in template_files())
    keys = {key for key in leaves(pages.WORDS) if not key.startswith("format.")}
    missing, spare = lacking(templates, keys)
    # Periods that the filters name.
    spare -= {"common.window"}
    assert not missing, f"no words for {sorted(missing)}"
    assert not spare, f"nobody asks for {sorted(spare)}"
    assert lacking(templates + '{{ t("not.there") }}', keys)[0] == {"not.there"}
    assert "a.b" in lacking(templates, keys | {"a.b"})[1]
    print(f"{len(keys)} words, each asked for")


# ---- templates --------------------------------------------------------------------------------------------


def template_files():
    files = sorted(path for path in pages.REPORT.rglob("*") if path.suffix in {".html", ".md", ".txt"})
    assert len(files) >= 18, f"only {len(files)} templates"
    return files


def untidy(text):
    """What a template may not say."""
    found = [f"`{word}` prints without escaping" for word in re.findall(r"\{\{[^}]*\|\s*safe[^}]*\}\}", text) if word != "{{ style|safe }}"]
    bare = re.sub(r"\{#.*?#\}", "", text, flags=re.S)
    for pattern, why in [
        (r"\bautoescape\b", "escaping is not switched"), (r"<script|<iframe|<object|<embed|<form|<img", "an element that a page does not have"),
        (r"\son\w+=", "a handler"), (r"\sstyle=", "a style attribute, which the policy blocks"), (r"https?://(?!www\.w3\.org/2000/svg)", "an address outside"),
        (r"""=\{\{""", "an attribute without quotes"), (r"\b(href|src)='", "single quotes around an address"),
    ]:
        found += [f"{why}: {hit}" for hit in re.findall(pattern, bare)]
    return found


def templates_tidy():
    for path in template_files():
        problems = untidy(path.read_text(encoding="utf-8"))
        assert not problems, f"{path.name}: {problems}"
    for bad in ["{{ label|safe }}", "<p onclick=x>", "<p style='x'>", "<script>", "<a href={{ x }}>", "{% autoescape false %}", "<a href='{{ x }}'>", '"https://cdn.example"']:
        assert untidy(bad), f"{bad} is not seen"
    print(f"{len(template_files())} templates tidy")


# ---- words of statistics ----------------------------------------------------------------------------------

ON_NO_SHEET = r"interval|significan|confiden|percentile|standard error|p-value|q-value|variance|regression|estimate|sample size|\bn \d"
AT_THE_END = r"E-value|q-value|p-value|risk ratio|\bq:"


def words_of_statistics(path, page):
    """Words of statistics where a reader should not meet them."""
    text = re.sub(r"<style>.*?</style>|<[^>]+>", " ", page, flags=re.S)
    if path.startswith("stores/") and not path.endswith("index.html"):
        return re.findall(ON_NO_SHEET, text)
    if path == "leadership.html":
        text = re.sub(r"<[^>]+>", " ", page.split("</style>")[1].split('<section id="sure"')[0])
        return re.findall(AT_THE_END, text)
    return []


def statistics_stay():
    seen = 0
    for path, page in pages.pages("rich"):
        found = words_of_statistics(path, page)
        assert not found, f"{path}: {found}"
        seen += 1
        if path == "leadership.html":
            assert words_of_statistics(path, page.replace('<section id="cost"', 'q-value <section id="cost"'))
    assert words_of_statistics("stores/a.html", "<p>its confidence interval</p>")
    print(f"{seen} pages say no statistics too early")


def statistics_stay_off_published(folder):
    """The same of pages that the program has made of a run."""
    found, sheets = [], 0
    for file in sorted(folder.rglob("*.html")):
        path = str(file.relative_to(folder))
        sheets += path.startswith("stores/") and not path.endswith("index.html")
        found += [f"{path}: {words}" for words in [words_of_statistics(path, file.read_text(encoding="utf-8"))] if words]
    assert not found, found
    assert sheets >= 3, f"only {sheets} sheets"
    print(f"{sheets} published sheets say no statistics")


if __name__ == "__main__":
    for folder in sys.argv[1:]:
        statistics_stay_off_published(Path(folder))
    worlds_fit()
    words_fit()
    templates_tidy()
    statistics_stay()
