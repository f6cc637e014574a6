"""Completeness and latency of periods counted by hand, and the page that shows them."""

import datetime as dt
from html.parser import HTMLParser

from downscaler.report.completeness import Day, completeness, latencies, page

FIRST = dt.date(2023, 12, 30)
MADE = dt.datetime(2024, 6, 1, tzinfo=dt.UTC)


def day(number, state="published", granule="R19240.001", archive=40.0, production=10.0, **more):
    date = FIRST + dt.timedelta(days=number)
    seen = dt.datetime.combine(date, dt.time(12), dt.UTC)
    times = {"observed": seen, "released": seen + dt.timedelta(hours=archive)} if archive is not None else {}
    if state == "published" and archive is not None:
        times["published"] = seen + dt.timedelta(hours=archive + production)
    return Day(**{"date": date, "state": state, "granule": granule, **times, **more})


def document(days):
    return completeness(days, title="Soil moisture, Here", collection="c", source="a folder", made=MADE)


def test_days_are_counted_by_month_and_state():
    days = [
        day(0),
        day(1, "no-coverage"),
        day(2, "failed", why="GranuleUnreadableError: cut short"),
        day(3, "missing", granule="", archive=None),
        day(4, "due"),
    ]
    told = document(days)
    assert told["total"] == {
        "days": 5,
        "with_granule": 4,
        "done": 2,
        "share": 0.5,
        "produced": 1,
        "states": {"due": 1, "failed": 1, "missing": 1, "no-coverage": 1, "published": 1},
    }
    assert {month: m["days"] for month, m in told["months"].items()} == {"2023-12": 2, "2024-01": 3}
    assert told["months"]["2023-12"]["share"] == 1.0
    assert [(d["date"], d["state"]) for d in told["open"]] == [("2024-01-01", "failed"), ("2024-01-03", "due")]
    assert told["period"] == ["2023-12-30", "2024-01-03"]


def test_latency_by_stage_and_none_where_nothing_is_known():
    told = latencies(
        [day(0, archive=30, production=2), day(1, archive=40, production=4), day(2, archive=50, production=9)]
    )
    assert told["archive"] == {"median": 40.0, "nine_of_ten": 48.0, "worst": 50.0, "days": 3}
    assert told["production"]["median"] == 4.0
    assert told["total"]["worst"] == 59.0
    assert latencies([day(0, "missing", archive=None)]) == {"archive": None, "production": None, "total": None}


def test_a_granule_reprocessed_after_the_publication_counts_in_the_total_alone():
    reprocessed = day(0, archive=40, production=2)
    later = {**vars(reprocessed), "released": reprocessed.published + dt.timedelta(days=100)}
    told = latencies([Day(**later)])
    assert (told["archive"], told["production"]) == (None, None)
    assert told["total"]["median"] == 42.0


def test_years_without_any_granule_have_no_share():
    days = [day(n, "missing", granule="", archive=None) for n in range(800)]
    told = document(days)
    assert told["total"]["share"] is None
    assert len(told["months"]) > 24
    assert "None." in page(told)


def test_the_page_is_well_formed_and_quotes_what_it_shows():
    text = page(document([day(0), day(1, "failed", why="<script>alert(1)</script> & more")]))
    assert "<script>" not in text
    assert "&lt;script&gt;" in text

    stack = []

    class Balanced(HTMLParser):
        def handle_starttag(self, tag, attributes):
            if tag not in ("meta", "br"):
                stack.append(tag)

        def handle_endtag(self, tag):
            assert stack.pop() == tag

    Balanced().feed(text)
    assert stack == []
    assert "50.0 %" in text
    assert "http" not in text.replace("http-equiv", "")
