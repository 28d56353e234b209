"""Contexts of five made-up worlds for the pages: `python worlds.py` writes `worlds/*.json`.

rich: 26 stores, a year of answers.  small: 515 answers, like the sample.  bare: a handful of answers and no
tickets.  silent: not one answer.  hostile: names, labels, comments and settings that try to be markup, script or layout.

Answers are simulated one by one with effects known beforehand, so that counts, shares, scores and effects of a
world fit each other. Ranges are close to what the program would find, not the same: no model is fitted here.
"""

import hashlib
import json
import math
import random
import re
import tomllib
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
CATALOGUE = tomllib.loads((ROOT / "queries/touchpoints.toml").read_text(encoding="utf-8"))["touchpoints"]
BY_ID = {touchpoint["id"]: touchpoint for touchpoint in CATALOGUE}
MIN_CELL, MIN_RESPONSES, MARGIN = 5, 30, 0.1
STAGES = ["purchase", "delivery", "billing", "care", "support", "returns", "repair"]

STORES = [
    "Albacete", "Alicante", "Almería", "Badajoz", "Barcelona", "Bilbao", "Burgos", "Cádiz", "Córdoba", "Donostia",
    "Gijón", "Girona", "Granada", "Huelva", "Las Palmas", "León", "Lleida", "Logroño", "Madrid", "Málaga", "Murcia",
    "Oviedo", "Palma", "Sevilla", "València", "Zaragoza",
]
REGIONS = ["Centre", "East", "North", "South", "Islands"]
PRODUCTS = ["Furniture", "Kitchen", "Electronics", "Garden"]

# What each touchpoint does to the propensity to recommend, in logits; the total comes out of the simulation.
PULL = {
    "late": -0.85, "very_late": -0.55, "not_delivered": -0.9, "overdue": -0.8, "early": 0.22, "damaged": -1.15,
    "billing_error": -0.75, "follow_up_received": 0.35, "follow_up_within_7_days": 0.25, "left_alone": -0.12,
    "offer_while_unresolved": -0.5, "ticket_opened": -0.1, "repeat_contact": -0.45, "third_contact": -0.4,
    "could_not_get_through": -0.6, "channel_switched": -0.05, "unanswered": -1.1, "slow_first_reply": -0.7,
    "unresolved": -1.0, "slow_resolution": -0.45, "reopened": -0.65, "transferred": -0.3,
    "solved_at_first_touch": 0.55, "broken_promise": -0.8, "returned": 0.0, "refund_slow": -0.7,
    "warranty_claim": -0.2, "repair": -0.1, "repeat_repair": -0.9,
}
PARTS = {}
for touchpoint in CATALOGUE:
    if "within" in touchpoint:
        PARTS.setdefault(touchpoint["within"], []).append(touchpoint["id"])

COMMENTS = {
    "late": [
        "Promised for Tuesday, came the Monday after. Nobody said a word in between.",
        "The sofa is fine. Two weeks late, and I took three days off work to wait for it.",
        "I would have been fine with a later date if somebody had told me.",
    ],
    "slow_first_reply": [
        "Wrote on Friday, heard back on Wednesday, and then it was a form letter.",
        "Four days for the first answer. By then I had bought the part elsewhere.",
    ],
    "reopened": [
        "They closed my ticket twice without solving it. I had to write again each time.",
        "“Solved”, said the mail. It was not.",
    ],
    "damaged": [
        "A table leg was cracked when I opened the box. [name] at the desk was kind, the packaging is not.",
        "Second delivery with a dent. Please look at how your carrier handles glass.",
    ],
    "not_delivered": ["Still waiting. The tracking has said “on its way” since the 3rd."],
    "unresolved": ["It has been nine days and my case is still open. I call, I explain everything anew."],
    "unanswered": ["Nobody answers."],
    "billing_error": ["Charged twice; getting one of them back took [number] calls."],
    "refund_slow": ["The parcel was back with you on the 2nd. The money came on the 24th."],
    "follow_up_received": [
        "[name] called a few days later to ask whether everything worked. I did not expect that from a shop.",
        "Liked that somebody asked. There was a small problem and it was solved on the phone.",
    ],
    "solved_at_first_touch": ["One mail, one answer, done.", "Asked in the morning, had a new part by the next day."],
    "early": ["Came two days early!"],
}


# ---- a world's answers ------------------------------------------------------------------------------------


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


class Answer:
    """One answer: where, when, what it had met, and how likely which class was."""

    def __init__(self, luck, month, store, region, product, months, feeds):
        self.month, self.store, self.region, self.product = month, store, region, product
        self.feeds = feeds
        self.trend = month / max(months - 1, 1)
        self.store_index = STORES.index(store) if store in STORES else hash_of(store) % 26
        self.luck = {name: luck.random() for name in ROLLS}
        self.own = luck.gauss(0, 0.9)
        self.amount = round(40 + 460 * luck.random() ** 2.2 * (3 if product == "Furniture" else 1), 2)
        self.met = self.meets(())
        self.mood = self.mood_after(self.met)
        self.noise = luck.random()

    def meets(self, undone):
        """What is met, had `undone` not been: what follows from it goes as well."""
        u, met = self.luck, set()
        bad_store = self.store_index in (3, 13, 21)

        def roll(name, chance):
            if name not in undone and u[name] < chance:
                met.add(name)
            return name in met

        if roll("not_delivered", 0.02):
            roll("overdue", 0.6)
        elif roll("late", 0.1 + 0.06 * (self.store_index % 4) / 3 + 0.1 * bad_store + 0.05 * (self.month >= 11)):
            roll("very_late", 0.28)
        else:
            roll("early", 0.3)
        if "not_delivered" not in met:
            roll("damaged", 0.025 + 0.02 * (self.product == "Kitchen"))
        if "interactions" in self.feeds:
            roll("billing_error", 0.022)
            if roll("follow_up_received", 0.34 - 0.12 * bad_store):
                roll("follow_up_within_7_days", 0.6)
            elif "not_delivered" not in met:
                roll("left_alone", 0.85)
        if "tickets" in self.feeds:
            trouble = 0.09 + 0.24 * ("late" in met) + 0.5 * ("damaged" in met) + 0.45 * ("not_delivered" in met)
            trouble += 0.5 * ("billing_error" in met)
            if roll("ticket_opened", trouble):
                slow = 0.3 - 0.1 * self.trend + 0.18 * (self.store_index % 5 == 0)
                if not roll("unanswered", 0.07):
                    roll("slow_first_reply", slow)
                    if not roll("unresolved", 0.12):
                        if not roll("slow_resolution", 0.22):
                            roll("solved_at_first_touch", 0.45)
                        roll("reopened", 0.11)
                    roll("transferred", 0.2)
                if roll("repeat_contact", 0.18 + 0.2 * ("slow_first_reply" in met)):
                    roll("third_contact", 0.25)
                    roll("channel_switched", 0.4)
                if "interactions" in self.feeds:
                    roll("could_not_get_through", 0.1)
                    roll("broken_promise", 0.08)
                    roll("offer_while_unresolved", 0.05)
        if roll("returned", 0.06 + 0.2 * ("damaged" in met)):
            roll("refund_slow", 0.3)
        if "interactions" in self.feeds and roll("warranty_claim", 0.02):
            if roll("repair", 0.6):
                roll("repeat_repair", 0.2)
        return met

    def mood_after(self, met):
        base = 1.15 + self.own + 0.16 * math.sin(self.store_index * 2.4) - 0.2 * (self.product == "Electronics")
        return base + sum(PULL[name] for name in met)

    def chances(self, mood):
        """Detractor and promoter."""
        return sigmoid(-0.75 - mood), sigmoid(mood - 0.55)

    def decide(self):
        detractor, promoter = self.chances(self.mood)
        within = self.noise
        if within < detractor:
            self.nps_class, self.score = "detractors", int(7 * (within / detractor) ** 0.6)
        elif within < 1 - promoter:
            self.nps_class, self.score = "passives", 7 + int(self.luck["score"] < 0.6)
        else:
            self.nps_class, self.score = "promoters", 9 + int(self.luck["score"] < 0.55)
        return self


ROLLS = [*PULL, "score", "comment"]


def hash_of(text):
    return int(hashlib.sha256(text.encode()).hexdigest()[:8], 16)


def simulate(seed, answers, months, stores, feeds, growth=0.4):
    luck = random.Random(seed)
    made = []
    for _ in range(answers):
        month = min(int(months * luck.random() ** (1 / (1 + growth))), months - 1)
        store = stores[min(int(len(stores) * luck.random() ** 1.25), len(stores) - 1)]
        region = REGIONS[hash_of(store) % len(REGIONS)]
        product = PRODUCTS[min(int(4 * luck.random() ** 1.3), 3)]
        made.append(Answer(luck, month, store, region, product, months, feeds).decide())
    return made


# ---- figures ----------------------------------------------------------------------------------------------


def classes(answers):
    counts = {"promoters": 0, "passives": 0, "detractors": 0}
    for answer in answers:
        counts[answer.nps_class] += 1
    return counts


def nps_of(answers):
    """NPS with its adjusted-Wald range, as in `src/stats/nps.rs`."""
    counts = classes(answers)
    n = len(answers)
    p, d = (counts["promoters"] + 0.75) / (n + 3), (counts["detractors"] + 0.75) / (n + 3)
    error = math.sqrt((p + d - (p - d) ** 2) / (n + 3))
    return {
        "responses": n, **counts,
        "nps": 100 * (counts["promoters"] - counts["detractors"]) / n,
        "low": max(100 * (p - d - 1.96 * error), -100), "high": min(100 * (p - d + 1.96 * error), 100),
    }, (p - d, error)


def interval(estimate, error):
    return {"estimate": estimate, "low": estimate - 1.96 * error, "high": estimate + 1.96 * error}


def effect_of(answers, name, luck, direct=False):
    """NPS points and detractor risk that undoing the touchpoint brings, over these answers."""
    exposed = [answer for answer in answers if name in answer.met]
    if not exposed:
        return None
    undone = {name, *PARTS.get(name, [])}
    points = risk = with_it = 0
    for answer in exposed:
        met = answer.met - undone if direct else answer.meets(undone)
        now, then = answer.chances(answer.mood), answer.chances(answer.mood_after(met))
        points += (then[1] - then[0]) - (now[1] - now[0])
        risk += now[0] - then[0]
        with_it += now[0]
    n, all_ = len(exposed), len(answers)
    unexposed = max(all_ - n, 1)
    spread = 1.0 * math.sqrt(1 / n + 1 / unexposed)
    noise = luck.gauss(0, 0.6)
    each, error_each = points / n + noise * spread, spread
    risk_each, risk_error = risk / n + noise * 0.55 * math.sqrt(1 / n + 1 / unexposed), 0.55 * math.sqrt(1 / n + 1 / unexposed)
    return {
        "exposed": exposed, "points": interval(100 * each * n / all_, 100 * error_each * n / all_),
        "z": each / error_each, "risk_difference": interval(risk_each, risk_error),
        "risk_ratio": (with_it / n) / max(with_it / n - risk_each, 0.01),
        "risk_ratio_error": risk_error / max(with_it / n, 0.05),
    }


def e_value(ratio):
    ratio = 1 / ratio if ratio < 1 else ratio
    return ratio + math.sqrt(ratio * (ratio - 1))


def axis(low, high, steps=5):
    """A scale of round numbers around what is shown."""
    span = max(high - low, 1e-9)
    step = 10 ** math.floor(math.log10(span / steps))
    step *= next(m for m in (1, 2, 2.5, 5, 10) if span / (step * m) <= steps + 0.5)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    ticks = [round(step * i, 10) for i in range(first, last + 1)]
    return {"low": ticks[0], "high": ticks[-1], "ticks": ticks, "is_log": False}


def log_axis(low, high):
    """A scale of shares on which each step is about a doubling."""
    steps = [0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0]
    first = max(at for at, step in enumerate(steps) if step <= max(low, steps[0]))
    last = min(at for at, step in enumerate(steps) if step >= min(high, 1.0))
    last = max(last, first + 1) if first + 1 < len(steps) else last
    return {"low": steps[first], "high": steps[last], "ticks": steps[first : last + 1], "is_log": True}


def month_name(start, index):
    year, month = divmod(start[0] * 12 + start[1] - 1 + index, 12)
    return f"{year}-{month + 1:02}"


def slug(name):
    """A file's name: safe whatever the value holds, and no two values share one."""
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower().encode("ascii", "ignore").decode()).strip("-")[:40].strip("-")
    return f"stores/{plain or 'value'}-{hashlib.sha256(name.encode()).hexdigest()[:8]}.html"


# ---- a world's context ------------------------------------------------------------------------------------


class World:
    def __init__(self, name, seed, answers, months, start, stores, feeds, dimensions, is_sample=False, follow_ups=True, comments=True):
        self.name, self.months, self.start, self.feeds, self.dimensions = name, months, start, feeds, dimensions
        self.is_sample, self.has_follow_ups, self.has_comments = is_sample, follow_ups, comments
        self.luck = random.Random(seed + 1)
        self.answers = simulate(seed, answers, months, stores, feeds)
        self.stores = sorted({answer.store for answer in self.answers})
        self.labels = {touchpoint["id"]: touchpoint["label"] for touchpoint in CATALOGUE}
        self.effects = {}
        for touchpoint in CATALOGUE:
            name = touchpoint["id"]
            if name in PULL and self.is_measured(touchpoint):
                effect = effect_of(self.answers, name, self.luck)
                if effect:
                    effect["direct"] = effect_of(self.answers, name, random.Random(hash_of(name)), direct=True)["points"]
                    self.effects[name] = effect
        self.judge()

    def is_measured(self, touchpoint):
        return touchpoint.get("feed") in self.feeds

    def judge(self):
        tested = sorted(
            (2 * (1 - 0.5 * (1 + math.erf(abs(effect["z"]) / math.sqrt(2)))), name) for name, effect in self.effects.items()
        )
        q = 1.0
        for place in range(len(tested), 0, -1):
            p, name = tested[place - 1]
            q = min(q, p * len(tested) / place)
            self.effects[name]["q"] = q
        for name, effect in self.effects.items():
            low, high = effect["points"]["low"], effect["points"]["high"]
            risk = effect["risk_difference"]
            if len(effect["exposed"]) < MIN_RESPONSES:
                effect["verdict"] = "not_enough_evidence"
            elif -MARGIN < low and high < MARGIN and -0.05 < risk["low"] and risk["high"] < 0.05:
                effect["verdict"] = "not_worth_acting_on"
            elif effect["q"] <= 0.05:
                effect["verdict"] = "drives_detractors" if effect["points"]["estimate"] > 0 else "protects"
            else:
                effect["verdict"] = "not_enough_evidence"
            effect["failing"] = {"third_contact": ["order_contradicted"], "unresolved": ["overlap"]}.get(name, [])

    # ---- the parts of the page ----------------------------------------------------------------------------

    def run(self):
        last = month_name(self.start, self.months - 1)
        return {
            "run_id": f"{last}-31-{hashlib.sha256(self.name.encode()).hexdigest()[:12]}-5b163aa0",
            "as_of": f"{last}-31", "window_from": f"{month_name(self.start, 0)}-01", "window_to": f"{last}-31",
            "version": "0.1.0", "fingerprint": hashlib.sha256(self.name.encode()).hexdigest(), "inputs": 13,
            "is_sample": self.is_sample, "frozen_period": None, "score_max": 10, "promoter_min": 9, "detractor_max": 6,
            "first_dimension": self.dimensions[0] if self.dimensions else None,
            "sheet_dimension": "store_id", "min_cell": MIN_CELL, "margin_nps_points": MARGIN,
        }

    def nps_rows(self):
        rows, before = [], None
        for index in range(self.months):
            of_month = [answer for answer in self.answers if answer.month == index]
            if not of_month:
                continue
            row, (mean, error) = nps_of(of_month)
            row |= {"period": month_name(self.start, index), "is_partial": False, "is_few": row["responses"] < MIN_RESPONSES}
            row |= {"previous_period": None, "change": None, "direction": None, "is_more_than_chance": None}
            if before:
                change = row["nps"] - before[0]["nps"]
                z = (mean - before[1]) / math.hypot(error, before[2])
                row |= {
                    "previous_period": before[0]["period"], "change": change,
                    "direction": "same" if round(abs(change)) == 0 else "up" if change > 0 else "down",
                    "is_more_than_chance": abs(z) > 1.96,
                }
            rows.append(row)
            before = (row, mean, error)
        return rows

    def window(self):
        row, _ = nps_of(self.answers)
        return row | {
            "period": "window", "is_partial": False, "is_few": row["responses"] < MIN_RESPONSES, "previous_period": None,
            "change": None, "direction": None, "is_more_than_chance": None,
        }

    def driver(self, name, mark):
        touchpoint, effect = BY_ID[name], self.effects[name]
        sign = 1 if mark == "cost" else -1
        points = effect["points"]
        if sign < 0:
            points = {"estimate": -points["estimate"], "low": -points["high"], "high": -points["low"]}
        exposed = effect["exposed"]
        n, all_ = len(exposed), len(self.answers)
        best = self.best_reach(name)
        detractors = sum(answer.nps_class == "detractors" for answer in exposed)
        is_shown = n >= MIN_CELL
        return {
            "touchpoint": name, "label": self.labels[name], "stage": touchpoint["stage"], "role": touchpoint["role"],
            "owner": touchpoint.get("owner"), "action": touchpoint.get("action"), "responses": all_,
            "exposed_responses": n, "reach": n / all_ if is_shown else None,
            "detractor_share_exposed": detractors / n if MIN_CELL <= detractors <= n - MIN_CELL else None, "points": points,
            "attainable_points": points["estimate"] * max(0, 1 - best / (n / all_)) if mark == "cost" and best is not None else None,
            "points_if_all": points["estimate"] * 0.8 * sum(not touchpoint.get("within") or touchpoint["within"] in a.met for a in self.answers) / n if mark == "gain" else None,
            "revenue": {"amount": sum(answer.amount for answer in exposed), "currency": "EUR"},
            "wording": "association" if effect["failing"] else "effect", "failing": effect["failing"],
        }

    def best_reach(self, name):
        reaches = []
        for store in self.stores:
            here = [answer for answer in self.answers if answer.store == store]
            if len(here) >= MIN_RESPONSES:
                reaches.append(sum(name in answer.met for answer in here) / len(here))
        return sorted(reaches)[math.ceil(len(reaches) / 4) - 1] if reaches else None

    def rest(self, name):
        effect = self.effects.get(name)
        n = len(effect["exposed"]) if effect else 0
        return {
            "touchpoint": name, "label": self.labels[name], "responses": len(self.answers), "exposed_responses": n,
            "reach": n / len(self.answers) if n >= MIN_CELL else None,
            "points": effect["points"] if effect and n >= MIN_CELL else None,
        }

    def drivers(self):
        levers = [t["id"] for t in CATALOGUE if t["role"] == "lever"]
        by_points = lambda name: -abs(self.effects[name]["points"]["estimate"])
        of = lambda verdict, names: sorted((n for n in names if n in self.effects and self.effects[n]["verdict"] == verdict), key=by_points)
        cost = [self.driver(name, "cost") for name in of("drives_detractors", levers)]
        helps = [t["id"] for t in CATALOGUE if t["role"] != "symptom" and t["id"] in PULL]
        gain = [self.driver(name, "gain") for name in of("protects", helps)]
        measured = [name for name in levers if self.is_measured(BY_ID[name])]
        signs = []
        for touchpoint in CATALOGUE:
            if touchpoint["role"] == "symptom" and touchpoint["id"] in self.effects:
                row = self.driver(touchpoint["id"], "cost")
                signs.append({key: row[key] for key in ("touchpoint", "label", "responses", "exposed_responses", "reach", "detractor_share_exposed")})
        needs = lambda t: ", ".join(f"`{t['feed']}.{column}`" for column in t.get("needs", ["*"])).replace(".*", "") if t.get("feed") else None
        unclear = [self.rest(n) for n in measured if n not in self.effects or self.effects[n]["verdict"] == "not_enough_evidence"]
        return {
            "rows": cost,
            "is_first_sure": self.name == "small",
            "watch": [] if cost else [row for row in unclear if row["points"] and row["points"]["estimate"] > 0][:5],
            "unclear": unclear,
            "both": [],
            "small": [self.rest(n) for n in of("not_worth_acting_on", levers)],
            "unmeasured": [{"touchpoint": n, "label": self.labels[n], "needs": needs(BY_ID[n])} for n in levers if n not in measured],
            "signs": signs,
        }, {"rows": gain}

    def reach(self, cost, gain):
        rows = []
        for mark, driver in [("cost", row) for row in cost[:8]] + [("gain", row) for row in gain[:4]]:
            each = driver["points"]["estimate"] / driver["reach"] * (1 if mark == "cost" else -1)
            rows.append({key: driver[key] for key in ("touchpoint", "label", "exposed_responses", "responses", "reach")} | {
                "number": len(rows) + 1, "mark": mark, "points_each": each, "shift_x": 0, "shift_y": 0,
            })
        costly = [row for row in rows if row["mark"] == "cost"]
        if not costly:
            return None
        x = log_axis(0.8 * min(row["reach"] for row in rows), 1.1 * max(row["reach"] for row in rows))
        y = axis(min(0, 1.1 * min(row["points_each"] for row in rows)), 1.1 * max(row["points_each"] for row in rows), 6)
        contours = []
        def on_a_phone(place):
            along = math.log(place["x"] / x["low"]) / math.log(x["high"] / x["low"])
            return 270 * along, 480 * (y["high"] - place["y"]) / (y["high"] - y["low"])

        def overlaps(one, others):
            return any(one[0] < o[2] and o[0] < one[2] and one[1] < o[3] and o[1] < one[3] for o in others)

        taken = []
        for row in rows:
            a, b = on_a_phone({"x": row["reach"], "y": row["points_each"]})
            marks = {(c, d): (a + c - 13, b + d - 13, a + c + 13, b + d + 13) for c, d in
                     [(0, 0), (27, 0), (-27, 0), (0, -27), (0, 27), (27, -27), (-27, -27), (27, 27), (-27, 27)]}
            row["shift_x"], row["shift_y"] = next((shift for shift, mark in marks.items() if not overlaps(mark, taken[1::2])), (0, 0))
            taken += [marks[0, 0], marks[row["shift_x"], row["shift_y"]]]
        for points in (0.1, 0.5, 2, 8, 32):
            path = []
            for step in range(41):
                reach = x["low"] * (x["high"] / x["low"]) ** (step / 40)
                if points / reach <= y["high"]:
                    path.append({"x": round(reach, 5), "y": round(points / reach, 3)})
            if len(path) <= 8 or path[0]["y"] <= 0.25 * y["high"]:
                continue
            for place in path:
                a, b = on_a_phone(place)
                name = (a + 2, b - 20, a + 74, b)
                if name[1] >= 0 and name[2] <= 270 and not overlaps(name, taken):
                    taken.append(name)
                    contours.append({"points": points, "path": path, "name": place})
                    break
        deepest, *others = sorted(costly, key=lambda row: -row["points_each"])
        low = next(row["points"]["low"] for row in cost if row["touchpoint"] == deepest["touchpoint"]) / deepest["reach"]
        return {
            "rows": rows, "x": x, "y": y, "contours": contours,
            "about_as_deep": others[0]["label"] if others and others[0]["points_each"] >= low else None,
            "deepest": deepest["label"], "widest": max(costly, key=lambda row: row["reach"])["label"],
        }

    def where(self, columns):
        tables, darkest = [], 0
        for dimension in self.dimensions:
            value = {"store_id": "store", "region": "region", "product_category": "product"}[dimension]
            segments = sorted({getattr(answer, value) for answer in self.answers})
            rows, few = [], []
            for segment in segments:
                here = [answer for answer in self.answers if getattr(answer, value) == segment]
                (rows if len(here) >= MIN_RESPONSES else few).append((segment, here))
            if len(rows) < 2:
                continue
            shown = [self.where_row("", self.answers, columns, True)] + [self.where_row(s, h, columns, False) for s, h in rows[:30]]
            peak = max(
                ((cell["detractors_per_100"], row["segment"], at) for row in shown[1:] for at, cell in enumerate(row["cells"]) if cell["detractors_per_100"] is not None),
                default=None,
            )
            darkest = max([darkest] + [cell["detractors_per_100"] for row in shown for cell in row["cells"] if cell["detractors_per_100"] is not None])
            tables.append({
                "id": str(len(tables) + 1), "dimension": dimension, "touchpoints": [self.labels[name] for name in columns], "rows": shown,
                "segments_cut": len(few) + max(0, len(rows) - 30),
                "peak": peak and {
                    "segment": peak[1], "touchpoint": self.labels[columns[peak[2]]], "detractors_per_100": peak[0],
                    "whole": shown[0]["cells"][peak[2]]["detractors_per_100"],
                },
            })
        for table in tables:
            for row in table["rows"]:
                for cell in row["cells"]:
                    value = cell["detractors_per_100"]
                    cell["shade"] = 0 if value is None or value <= 0 else min(int(4.999 * value / darkest), 4)
        return {"tables": tables, "darkest": darkest, "left_out": [self.labels["left_alone"]] if self.name == "rich" else []}

    def where_row(self, segment, here, columns, is_whole):
        cells = []
        for name in columns:
            exposed = [answer for answer in here if name in answer.met]
            added = sum(answer.chances(answer.mood)[0] - answer.chances(answer.mood_after(answer.met - {name}))[0] for answer in exposed)
            is_shown = len(exposed) >= MIN_CELL and len(here) - len(exposed) >= MIN_CELL
            cells.append({
                "detractors_per_100": 100 * added / len(here) if is_shown else None,
                "exposed_responses": len(exposed) if is_shown else None,
            })
        hidden = [cell for cell in cells if cell["detractors_per_100"] is None]
        detractors = classes(here)["detractors"]
        if len(hidden) == 1 and not is_whole:
            # One hidden cell could be worked out from the others: its neighbour goes as well.
            least = min((cell for cell in cells if cell["exposed_responses"]), key=lambda cell: cell["exposed_responses"])
            least |= {"detractors_per_100": None, "exposed_responses": None}
        return {
            "segment": segment, "is_whole": is_whole, "responses": len(here),
            "detractor_share": detractors / len(here) if detractors >= MIN_CELL or is_whole else None, "cells": cells,
        }

    def change(self, nps, columns):
        trends = []
        for name in columns[:6]:
            points = []
            for row in nps:
                of_month = [a for a in self.answers if month_name(self.start, a.month) == row["period"]]
                exposed = sum(name in answer.met for answer in of_month)
                points.append({"period": row["period"], "responses": len(of_month), "exposed_responses": exposed, "reach": exposed / len(of_month) if exposed >= MIN_CELL else None})
            trends.append({"touchpoint": name, "label": self.labels[name], "points": points, "axis": axis(0, 1.1 * max([0.01] + [point["reach"] or 0 for point in points]), 2)})
        moves = steepest = None
        if len(nps) >= 2 and nps[-1]["responses"] >= MIN_RESPONSES and nps[-2]["responses"] >= MIN_RESPONSES:
            moves = self.moves(nps, columns)
            whole = [trend for trend in trends if trend["points"][0]["reach"] and trend["points"][-1]["reach"]]
            most = max(whole, key=lambda t: abs(t["points"][-1]["reach"] - t["points"][0]["reach"]), default=None)
            if most:
                steepest = {"label": most["label"], "before": most["points"][0]["reach"], "after": most["points"][-1]["reach"], "since": most["points"][0]["period"], "until": most["points"][-1]["period"]}
        values = [value for row in nps for value in (row["low"], row["high"])]
        return {
            "nps": nps, "y": axis(max(min(values), -100), min(max(values), 100)) if values else axis(0, 100), "moves": moves,
            "trends": trends if len(nps) >= 2 else [], "steepest": steepest,
            "begun": {"period": "2026-11", "responses": 8} if self.name == "rich" else None,
            "restated": [] if self.name != "rich" else [
                {"period": nps[-3]["period"], "measure": "nps", "label": None, "is_share": False, "was": round(nps[-3]["nps"]) + 0.6, "is": round(nps[-3]["nps"], 1), "why": "14 answers came later"},
                {"period": nps[-2]["period"], "measure": "reach", "label": self.labels["slow_first_reply"], "is_share": True, "was": 0.052, "is": 0.049, "why": "the help desk exported replies anew"},
            ],
        }

    def moves(self, nps, columns):
        now, before = nps[-1], nps[-2]
        n = min(now["responses"], before["responses"])
        total = now["change"]
        part = lambda component, label, points, spread: {"component": component, "label": label, "points": interval(points, spread * 60 / math.sqrt(n))}
        details = []
        for name in columns[:4]:
            reach = lambda row: sum(name in a.met for a in self.answers if month_name(self.start, a.month) == row["period"]) / row["responses"]
            each = self.effects[name]["points"]["estimate"] / (len(self.effects[name]["exposed"]) / len(self.answers))
            details.append((self.labels[name], -(reach(now) - reach(before)) * each))
        details.sort(key=lambda detail: -abs(detail[1]))
        of_reach = sum(points for _, points in details)
        mix, of_effect = 0.12 * total + 0.2, -0.3
        parts = [part("reach", None, of_reach, 0.6)] + [part("reach", label, points, 0.35) for label, points in details[:3]]
        parts += [part("effect", None, of_effect, 1.1), part("mix", None, mix, 0.5), part("level", None, total - of_reach - mix - of_effect, 1.4)]
        largest = max((p for p in parts if p["label"] is None), key=lambda p: abs(p["points"]["estimate"]))
        in_all = part("total", None, total, 1.7)["points"]
        ends = [value for p in parts for value in (p["points"]["estimate"],)] + [total, 0]
        return {
            "period": now["period"], "previous_period": before["period"], "total": in_all, "parts": parts, "axis": axis(min(ends), max(ends)),
            "largest": largest["component"], "largest_points": largest["points"]["estimate"],
        }

    def stages(self):
        if not self.answers:
            return None
        reached = []
        for answer in self.answers:
            met = {BY_ID[name]["stage"] for name in answer.met}
            came = {"purchase"} | met | ({"delivery"} if "not_delivered" not in answer.met else set())
            if "not_delivered" in answer.met:
                came.discard("delivery")
            if "left_alone" in answer.met and not {"follow_up_received", "offer_while_unresolved"} & answer.met:
                came.discard("care")
            reached.append(came)
        stages = [stage for stage in STAGES if any(stage in came for came in reached)] + ["answer"]
        is_in = lambda came, stage: stage == "answer" or stage in came
        rows = []
        for place, stage in enumerate(stages):
            here = [a for a, came in zip(self.answers, reached) if is_in(came, stage)]
            detractors = sum(a.nps_class == "detractors" for a in here)
            follows = None
            if place + 1 < len(stages):
                pairs = [(is_in(came, stage), is_in(came, stages[place + 1])) for came in reached]
                follows = {
                    "both": pairs.count((True, True)), "left": pairs.count((True, False)),
                    "joined": pairs.count((False, True)), "neither": pairs.count((False, False)),
                }
            is_shown = detractors >= MIN_CELL or detractors == 0 and len(here) >= MIN_RESPONSES
            rows.append({
                "stage": stage, "reached": len(here), "detractors": detractors if is_shown else None,
                "detractor_share": detractors / len(here) if is_shown else None, "next": follows,
            })
        whole = rows[-1]["detractor_share"]
        candidates = [row for row in rows[1:-1] if row["detractor_share"] and row["reached"] >= MIN_RESPONSES]
        worst = max(candidates, key=lambda row: row["detractor_share"], default=None)
        if worst and whole and worst["detractor_share"] > whole:
            worst = {"stage": worst["stage"], "is_missed": False, "detractor_share": worst["detractor_share"]}
        else:
            worst = None
        return {"responses": len(self.answers), "detractor_share": whole, "rows": rows, "worst": worst}

    def doses(self):
        made = []
        for name, measure, bins in [
            ("late", "x_days_late", [("1 to 2", -0.15), ("3 to 5", 0), ("6 to 10", 0.35), ("over 10", 0.8)]),
            ("slow_first_reply", "x_first_reply_hours", [("24 to 48", -0.12), ("48 to 72", 0.1), ("over 72", 0.5)]),
        ]:
            if self.effects.get(name, {}).get("verdict") != "drives_detractors":
                continue
            exposed = self.effects[name]["exposed"]
            share = sum(a.chances(a.mood)[0] for a in exposed) / len(exposed)
            logit = math.log(share / (1 - share))
            left, rows = len(exposed), []
            for place, (label, shift) in enumerate(bins):
                n = left if place == len(bins) - 1 else int(left * 0.45)
                left -= n
                value = sigmoid(logit + shift)
                error = 1.1 * math.sqrt(value * (1 - value) / max(n, 1))
                rows.append({"bin": label, "exposed_responses": n, "detractor_share": interval(value, error)})
            made.append({"touchpoint": name, "label": self.labels[name], "measure": measure, "bins": rows})
        return made

    def win_back(self):
        if not self.has_follow_ups:
            return {"missing": "not_made", "cases": None}
        detractors = [a for a in self.answers if a.nps_class == "detractors"]
        recent = [a for a in detractors if a.month >= self.months - 2]
        open_ = recent[: int(0.35 * len(recent))]
        ages = [(0, 2, 0.3), (3, 7, 0.34), (8, 14, 0.2), (15, 30, 0.12), (31, None, 0.04)]
        counts = [int(len(open_) * share) for *_, share in ages]
        counts[1] += len(open_) - sum(counts)
        return {"missing": None, "cases": {
            "open": len(open_), "overdue": sum(counts[2:]), "oldest_days": 41, "due": len(recent), "called": int(0.6 * len(recent)),
            "in_time_share": 0.57 if len(recent) >= MIN_RESPONSES else None, "median_days_to_call": 2.4,
            "all": len(recent), "closed": int(0.5 * len(recent)) if len(recent) >= MIN_RESPONSES else None,
            "revenue_open": {"amount": sum(a.amount for a in open_), "currency": "EUR"},
            "ages": [{"from_days": low, "to_days": high, "cases": n} for (low, high, _), n in zip(ages, counts)],
            "ages_axis": axis(0, max([*counts, 1])),
        }}

    def voices(self, cost, gain):
        groups = []
        for mark, rows, score in [("cost", cost, 3), ("gain", gain, 10)]:
            for row in rows:
                texts = COMMENTS.get(row["touchpoint"], [])
                comments = int(0.3 * row["exposed_responses"])
                if texts and comments >= MIN_CELL:
                    quotes = [{"text": text, "score": max(score - 2 * (mark == "cost") * place, 0), "period": month_name(self.start, self.months - 1 - place)} for place, text in enumerate(texts[:2])]
                    groups.append({"touchpoint": row["touchpoint"], "label": row["label"], "mark": mark, "comments": comments, "quotes": quotes})
        comments = int(0.3 * len(self.answers)) if self.has_comments else 0
        groups = [g for g in groups if g["mark"] == "cost"][:5] + [g for g in groups if g["mark"] == "gain"][:3]
        return {"comments": comments, "groups": groups if self.has_comments else []}

    def sure(self):
        effects = []
        ranked = sorted((n for n, e in self.effects.items() if BY_ID[n]["role"] == "lever" and e["verdict"] in ("drives_detractors", "protects")), key=lambda n: -self.effects[n]["points"]["estimate"])
        for touchpoint in CATALOGUE:
            name = touchpoint["id"]
            effect = self.effects.get(name)
            if name not in PULL:
                continue
            row = {"touchpoint": name, "label": self.labels[name], "exposed_responses": 0, "unknown_responses": 0, "total": None, "direct": None, "risk_ratio": None, "q_value": None, "e_value": None, "e_value_limit": None, "rank": None, "rank_low": None, "rank_high": None, "verdict": "not_measured", "failing": []}
            if effect:
                n = len(effect["exposed"])
                ratio = max(effect["risk_ratio"], 0.2)
                spread = math.exp(1.96 * effect["risk_ratio_error"])
                low, high = ratio / spread, ratio * spread
                limit = 1.0 if low <= 1 <= high else e_value(low if ratio > 1 else high)
                rank = ranked.index(name) + 1 if name in ranked else None
                overlaps = [o for o in ranked if self.effects[o]["points"]["low"] <= effect["points"]["high"] and self.effects[o]["points"]["high"] >= effect["points"]["low"]]
                row |= {
                    "exposed_responses": n, "unknown_responses": int(0.02 * len(self.answers)) if touchpoint["feed"] == "tickets" else 0,
                    "total": effect["points"], "direct": effect["direct"], "risk_ratio": {"estimate": ratio, "low": low, "high": high},
                    "q_value": effect["q"], "e_value": e_value(ratio), "e_value_limit": limit, "rank": rank,
                    "rank_low": rank and ranked.index(overlaps[0]) + 1, "rank_high": rank and ranked.index(overlaps[-1]) + 1, "verdict": effect["verdict"],
                    "failing": effect["failing"],
                }
            elif self.is_measured(touchpoint):
                row["verdict"] = "not_enough_evidence"
            effects.append(row)
        n = len(self.answers)
        left_out = [("conflicting duplicate", n // 120), ("missing score", n // 240), ("answer before its purchase", n // 250)]
        left_out = [{"reason": reason, "rows": rows} for reason, rows in left_out if rows]
        unlinked = int(0.04 * n)
        return {
            "answers": n + sum(row["rows"] for row in left_out), "counted": n, "linked": n - unlinked,
            "leaked": int(0.3 * n), "nps_weighted": None,
            "left_out": left_out + [{"reason": "not linked: neither order nor customer", "rows": unlinked}] if unlinked else left_out,
            "effects": effects if self.effects else [],
            "adjustments": [] if not self.effects else [
                {"labels": [self.labels[n] for n in self.effects if BY_ID[n]["stage"] == "delivery"], "words": "who they are, month, days to the answer"},
                {"labels": [self.labels[n] for n in self.effects if BY_ID[n]["stage"] != "delivery"], "words": "who they are, month, days to the answer; late, very late, not delivered, damaged; billing error; follow-up"},
            ],
            "strongest": {"term": "days to the answer", "e_value": 1.9} if self.name != "bare" else None,
            "placebos": [] if n < 2000 else [
                {"touchpoint": "late", "label": self.labels["late"], "placebo": "previous_answer", "responses": int(0.11 * n), "points": interval(0.2, 0.5), "holds": True, "visible_points": 1.4},
                {"touchpoint": "ticket_opened", "label": self.labels["ticket_opened"], "placebo": "previous_answer", "responses": int(0.11 * n), "points": interval(1.3, 0.5), "holds": False, "visible_points": 1.4},
                {"touchpoint": "late", "label": "", "placebo": "next_order_late_or_damaged", "responses": int(0.23 * n), "points": interval(-0.1, 0.3), "holds": True, "visible_points": 0.9},
            ],
            "calibration": [] if not self.effects or n < 100 else [
                {"tenth": tenth, "expected": 0.02 + 0.0065 * tenth ** 1.8, "observed": 0.02 + 0.0065 * tenth ** 1.8 + 0.006 * (-1) ** tenth} for tenth in range(1, 11)
            ],
            "checks": [] if not self.effects else [
                {"guardrail": "landmark", "detail": "", "value": None, "warn_beyond": None, "holds": None, "words": "the answer; when it was sent is not exported"},
                 {"guardrail": "answers", "detail": "share of co-exposed answers in another order", "value": 0.04, "warn_beyond": 0.1, "holds": True, "words": None}],
            "feeds": [
                {"feed": feed, "read": r + r // 50, "superseded": r // 80, "filtered": 0, "rejected": r // 50 - r // 80, "after_as_of": 0, "staged": r, "newest": self.run()["as_of"]}
                for feed, r in [("surveys", n), ("purchases", 3 * n), ("tickets", n // 2), ("interactions", 2 * n)] if feed in self.feeds or feed == "surveys"
            ],
            "links": [
                {"feed": "surveys", "measure": "order_id", "rows": int(0.62 * n), "share": 0.62},
                {"feed": "surveys", "measure": "latest_purchase", "rows": n - int(0.62 * n) - unlinked, "share": 1 - 0.62 - unlinked / n},
                {"feed": "surveys", "measure": "neither order nor customer", "rows": unlinked, "share": unlinked / n},
            ] if n else [],
            "settings": [
                {"key": "timezone", "value": "Europe/Madrid"}, {"key": "score", "value": "0 to 10"}, {"key": "segments", "value": ", ".join(self.dimensions)},
                {"key": "journey.lookback_days", "value": "90"}, {"key": "analysis.window_days", "value": "365"}, {"key": "analysis.min_responses", "value": str(MIN_RESPONSES)},
                {"key": "analysis.min_cell", "value": str(MIN_CELL)}, {"key": "analysis.margin_nps_points", "value": str(MARGIN)}, {"key": "analysis.repeat_responses", "value": "all"},
            ],
        }

    def leadership(self):
        nps = self.nps_rows()
        cost, gain = self.drivers()
        columns = [row["touchpoint"] for row in cost["rows"]][:8]
        shown = [row["points"] for row in cost["rows"] + gain["rows"]]
        doses = self.doses()
        shares = [bin["detractor_share"]["high"] for dose in doses for bin in dose["bins"]]
        headline = None
        if self.answers:
            headline = nps[-1] if nps[-1]["responses"] >= MIN_RESPONSES else self.window()
        win_back = self.win_back()
        change = self.change(nps, columns)
        moved = None
        if change["moves"]:
            most = max((p for p in change["moves"]["parts"] if p["component"] != "level"), key=lambda p: abs(p["points"]["estimate"]))
            details = [p for p in change["moves"]["parts"] if p["label"] is not None and p["component"] == most["component"]]
            if details and abs(details[0]["points"]["estimate"]) > 0.5 * abs(most["points"]["estimate"]):
                most = details[0]
            moved = {"previous_period": change["moves"]["previous_period"], **most}
        actionable = [row for row in cost["rows"] if row["wording"] == "effect" and row["action"]]
        return {
            "run": self.run(), "links": {"stores": "stores/index.html", "dictionary": "dictionary.html", "report": f"https://reports.example/aftersale/runs/{self.run()['run_id']}/leadership.html"},
            "headline": headline, "window": self.window() if self.answers else None,
            "short": {
                "responses": len(self.answers), "cost": cost["rows"][0] if cost["rows"] else None, "is_cost_sure": cost["is_first_sure"], "gain": gain["rows"][0] if gain["rows"] else None,
                "moved": moved,
                "waiting": win_back["cases"] and {"cases": win_back["cases"]["open"], "oldest_days": win_back["cases"]["oldest_days"]},
                "first": max(actionable, key=lambda row: row["attainable_points"] or 0, default=None),
            },
            "effect_axis": axis(min([0] + [p["low"] for p in shown]), max([1] + [p["high"] for p in shown])),
            "cost": cost, "gain": gain, "doses": {"rows": doses, "axis": axis(0, max(shares)) if shares else axis(0, 1)},
            "reach": self.reach(cost["rows"], gain["rows"]), "by_segment": self.where(columns), "change": change,
            "stages": self.stages(), "win_back": win_back, "voices": self.voices(cost["rows"], gain["rows"]), "sure": self.sure(),
        }

    # ---- sheets and dictionary ----------------------------------------------------------------------------

    def sheets(self):
        whole = nps_of(self.answers)[0]["nps"] if self.answers else 0
        cost, gain = self.drivers()
        made = []
        for store in self.stores:
            here = [a for a in self.answers if a.store == store]
            luck = random.Random(hash_of(store))
            recent = [a for a in here if a.month >= self.months - 3]
            last = [a for a in here if a.month == self.months - 1]
            weeks = {"weeks_13": recent, "weeks_4": last, "this_week": [a for a in last if luck.random() < 0.25]}
            counts = [{"span": span, "responses": len(weeks[span]), **classes(weeks[span])} for span in ("this_week", "weeks_4", "weeks_13")]
            nps, banner = None, "few"
            if len(recent) >= 10:
                own, (mean, error) = nps_of(recent)
                pull = 0.02 / (0.02 + error ** 2)
                value, spread = 100 * (pull * mean + (1 - pull) * whole / 100), 196 * math.sqrt(pull) * error
                nps = {"estimate": value, "low": max(value - spread, -100), "high": min(value + spread, 100)}
                banner = "below" if nps["high"] < whole else "above" if nps["low"] > whole else "same" if len(recent) >= MIN_RESPONSES else "few"
            fix = keep = None
            candidates = []
            for row in cost["rows"]:
                exposed = sum(row["touchpoint"] in a.met for a in recent)
                if exposed >= MIN_CELL and row["action"]:
                    alike = row["reach"] * (0.8 + 0.3 * luck.random())
                    candidates.append(((exposed / len(recent) - alike) * row["points"]["estimate"] / row["reach"], row, exposed, alike))
            if candidates:
                _, row, exposed, alike = max(candidates, key=lambda c: c[0])
                fix = {"touchpoint": row["touchpoint"], "label": row["label"], "owner": row["owner"], "action": row["action"], "exposed_responses": exposed, "responses": len(recent), "reach_alike": alike}
            quotes = []
            for row in gain["rows"][:1]:
                exposed = sum(row["touchpoint"] in a.met for a in recent)
                if exposed >= MIN_CELL:
                    keep = {"touchpoint": row["touchpoint"], "label": row["label"], "action": row["action"], "exposed_responses": exposed, "responses": len(recent)}
                    if self.has_comments:
                        quotes = [{"text": text} for text in COMMENTS.get(row["touchpoint"], [])[:1]]
            calls = None
            if self.has_follow_ups:
                unhappy = [a for a in last if a.nps_class == "detractors"][:6]
                calls = [
                    {"case": f"C-{hash_of(store + str(i)) % 100000:05}", "answered_on": f"{self.run()['as_of'][:8]}{29 - 3 * i:02}", "score": a.score, "met": [self.labels[n] for n in sorted(a.met) if BY_ID[n]["role"] == "lever" and PULL[n] < -0.3][:2], "due_on": f"{self.run()['as_of'][:8]}{31 - 3 * i:02}", "is_overdue": 31 - 3 * i < 28}
                    for i, a in enumerate(unhappy)
                ]
            made.append({"name": store, "file": slug(store), "banner": banner, "counts": counts, "nps": nps, "nps_whole": whole, "fix": fix, "keep": keep, "quotes": quotes, "calls": calls})
        return made

    def context(self):
        run = self.run()
        sheets = self.sheets()
        back = {"stores": "index.html", "dictionary": None, "report": None}
        return {
            "leadership": self.leadership(),
            "stores": {
                "run": run, "links": back,
                "sheets": [{"name": s["name"], "file": s["file"].removeprefix("stores/"), "responses": s["counts"][2]["responses"], "nps": s["nps"], "banner": s["banner"], "fix": s["fix"] and s["fix"]["label"]} for s in sheets],
            },
            "sheets": [{"run": run, "links": back, "sheet": sheet} for sheet in sheets],
            "dictionary": {"run": run, "links": back, "tables": dictionary()},
        }


EXAMPLES = {"period": "2026-10", "segment_dimension": "region", "segment": "North", "touchpoint": "late", "responses": "412", "nps": "31.2", "reach": "0.183", "as_of": "2026-10-31T22:59:59.999999Z"}


def unit(name, kind, meaning):
    """The unit of a column, where its name or meaning says it."""
    if kind not in ("float", "integer"):
        return None
    for sign, word in [("in points", "points"), ("NPS points", "points"), ("from 0 to 1", "0 to 1"), ("share", "0 to 1"), ("_hours", "hours"), ("_days", "days"), ("days ", "days")]:
        if sign in name or sign in meaning:
            return word
    return None


def dictionary():
    """The published tables, from the headers of their queries."""
    tables = []
    for path in sorted([*(ROOT / "queries/8_tables").glob("*.sql"), *(ROOT / "queries/9_reports").glob("*.sql")]):
        header = [line[3:] for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("-- ")]
        grain = next(line for line in header if line.startswith("grain: "))[7:].split(", ")
        columns = []
        for line in header:
            if found := re.match(r"column (\S+) (\w+): (.*)", line):
                name, kind, meaning = found.groups()
                columns.append({"position": len(columns) + 1, "name": name, "kind": kind, "unit": unit(name, kind, meaning), "meaning": meaning, "is_key": name in grain, "example": EXAMPLES.get(name)})
        tables.append({"name": path.stem, "meaning": header[0].split(": ", 1)[1], "grain": grain, "rows": 412, "columns": columns})
    return tables


# ---- hostile text -----------------------------------------------------------------------------------------

HOSTILE = [
    "<script>window.hostile = 1</script>", "\"><img src=x onerror=window.hostile=2>", "'><svg onload=window.hostile=3>",
    "</bdi></p></section></main><h1>Owned</h1>", "</style><style>body{display:none}</style>", "javascript:window.hostile=4",
    "<a href='javascript:window.hostile=5' autofocus onfocus=window.hostile=6>call us</a>", "]]><!--", "--><script>window.hostile=7</script>",
    "</svg><script>window.hostile=8</script>", "<iframe srcdoc=\"<script>parent.hostile=9</script>\">", "{{ 7 * 7 }} {% include 'x' %} ${7*7} #{7*7}",
    "&lt;script&gt;window.hostile=10&lt;/script&gt;", "\u202eright to left override \u202d\u2066 never closed", "\u0000\u0001\u0008\u001b[31m control \ufffe",
    "a" * 240, "W" * 90, "👩‍👩‍👧‍👦🏳️‍🌈 " * 12, "ع" * 60 + " عميل غير راض " + "ש" * 40, "Z̵̡̢͇͍͎̈́̏a̷͎̅l̶̰̽g̴̱̈́o̵̤͝ " * 8,
    "<meta http-equiv=refresh content='0;url=https://evil.example'>", "<link rel=stylesheet href=https://evil.example/x.css>", "<base href=https://evil.example/>",
    "<form action=https://evil.example><input name=password type=password>", "url(https://evil.example/x.png)", "=HYPERLINK(\"https://evil.example\")",
    "[click](javascript:window.hostile=11) ![x](https://evil.example/x.png) **bold** | a | b |", "http://evil.example www.evil.example @everyone", "line one\nline two\r\n\r\n# Heading\n- item", "<textarea><title><xmp><plaintext>",
    "<math><mtext><table><mglyph><style><img src onerror=window.hostile=12>", "<template><script>window.hostile=13</script></template>", "%00%3Cscript%3E ../../etc/passwd C:\\con\\nul", "   ", "\u200b\u200b", "<", "&", "\"", "'", "</", "‮",
]


def hostile(world):
    """The same world, all its data turned hostile: every name, label, comment and setting."""
    number = 0

    def poison(text, limit=None):
        nonlocal number
        number += 1
        return f"{HOSTILE[number % len(HOSTILE)]} {number}"[:limit]

    labels, segments = {}, {}

    def walk(value, key=None, parent=None):
        if isinstance(value, dict):
            return {name: walk(inner, name, value) for name, inner in value.items()}
        if isinstance(value, list):
            return [walk(inner, key, parent) for inner in value]
        if not isinstance(value, str):
            return value
        if key in ("label", "labels", "touchpoints", "met", "deepest", "widest") or (key == "touchpoint" and "detractors_per_100" in parent) or (key == "fix"):
            return labels.setdefault(value, poison(value))
        if key in ("segment", "name") and "columns" not in parent and value:
            return segments.setdefault(value, poison(value))
        if key in ("action", "owner", "text", "detail", "needs", "reason", "why", "measure", "term", "words", "value", "key", "bin", "case", "example", "meaning"):
            return poison(value)
        return value

    context = walk(world)
    report = context["leadership"]
    for group in report["voices"]["groups"]:
        group["quotes"] = []
    while sum(len(group["quotes"]) for group in report["voices"]["groups"]) < 500:
        for group in report["voices"]["groups"]:
            group["quotes"].append({"text": poison("")[:280], "score": number % 7, "period": "2026-10"})
    for place, stage in enumerate(report["stages"]["rows"]):
        if place == 3:
            stage["stage"] = "<b onmouseover=window.hostile=14>stage"
    for table in report["by_segment"]["tables"]:
        if table["dimension"] != "store_id":
            table["dimension"] = "\"><script>window.hostile=15</script>"
    files = {}
    for sheet in context["sheets"]:
        sheet["sheet"]["file"] = slug(sheet["sheet"]["name"])
        files[sheet["sheet"]["name"]] = sheet["sheet"]["file"].removeprefix("stores/")
    for row in context["stores"]["sheets"]:
        row["file"] = files[row["name"]]
    report["run"]["first_dimension"] = "store\"id>"
    report["links"]["report"] = "https://reports.example/a b/<x>(y)\"\n/leadership.html"
    return context


def silent(world):
    """The same world before anybody has answered."""
    report = world["leadership"]
    report |= {"headline": None, "window": None, "stages": None, "reach": None}
    report["short"] |= {"responses": 0, "cost": None, "gain": None, "moved": None, "first": None}
    report["change"] |= {"nps": [], "trends": [], "moves": None, "steepest": None}
    for part in ("rows", "watch", "unclear", "small", "signs"):
        report["cost"][part] = []
    report["sure"] |= {"answers": 3, "counted": 0, "linked": 0, "leaked": 0, "effects": [], "adjustments": [], "links": [], "left_out": [{"reason": "missing score", "rows": 3}]}
    world["sheets"], world["stores"]["sheets"] = [], []
    return world


# ---- all worlds -------------------------------------------------------------------------------------------

ALL_FEEDS = {"purchases", "tickets", "interactions"}


def rounded(value):
    """Six significant digits: enough for any page, and the same on every machine."""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {key: rounded(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [rounded(inner) for inner in value]
    return value


def main():
    rich = World("rich", 7, 9_000, 12, (2025, 11), STORES, ALL_FEEDS, ["store_id", "region", "product_category"]).context()
    worlds = {
        "rich": rich,
        "small": World("small", 3, 515, 12, (2025, 11), [f"S{i:02}" for i in range(1, 41)], ALL_FEEDS, ["region", "product_category"], is_sample=True).context(),
        "bare": World("bare", 5, 11, 2, (2026, 9), ["S01", "S02"], {"purchases"}, ["store_id"], follow_ups=False, comments=False).context(),
        "silent": silent(World("bare", 5, 11, 2, (2026, 9), ["S01", "S02"], {"purchases"}, ["store_id"], follow_ups=False, comments=False).context()),
        "hostile": hostile(World("hostile", 9, 4_000, 12, (2025, 11), STORES, ALL_FEEDS, ["store_id", "region"]).context()),
    }
    (HERE / "worlds").mkdir(exist_ok=True)
    for name, context in worlds.items():
        text = json.dumps(rounded(context), ensure_ascii=True, indent=1, sort_keys=False)
        (HERE / "worlds" / f"{name}.json").write_text(text + "\n", encoding="utf-8")
        print(f"{name}: {len(text):,} characters")


if __name__ == "__main__":
    main()
