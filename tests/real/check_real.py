#!/usr/bin/env python3
"""check_real.py - compare a server's answers with the files they came from.

Reads the Beijing air files, AEP_hourly.csv and delaware_saltfront_daily.csv with Python's own csv
module, computes count, sum, mean, min and max over all rows, for each station and for each month
(UTC), and asks a server the same over /query. Counts, minima and maxima must be equal, sums and
means within 1e-12; every row of one station, of AEP and of the salt front must come back with the
double that its cell stands for.

It shares nothing with phusa: no code, no parser, no table of time zones (zoneinfo is Python's).

    check_real.py --url http://127.0.0.1:8086 --db real --data ../shared/data
"""

import argparse
import calendar
import csv
import datetime
import glob
import json
import math
import os
import sys
import urllib.error
import urllib.parse
import urllib.request

AIR_FIELDS = ["PM2.5", "PM10", "SO2", "NO2", "CO", "O3", "TEMP", "PRES", "DEWP", "RAIN", "WSPM"]
TOLERANCE = 1e-12
SHOWN_MAX = 50
UTC = datetime.timezone.utc


# ---- the files ----


class Rows:
    """Of one measurement: (series, time in s) -> {field: number or text}; the later row wins."""

    def __init__(self, name, tag, fields, texts=()):
        self.name, self.tag, self.fields, self.texts = name, tag, fields, list(texts)
        self.rows = {}

    def add(self, series, second, values):
        if values:
            self.rows.setdefault((series, second), {}).update(values)


def utc_second(moment):
    return calendar.timegm(moment.utctimetuple())


def read_air(directory):
    zone = datetime.timezone(datetime.timedelta(hours=8))
    rows = Rows("air", "station", AIR_FIELDS, ["wd"])
    for path in sorted(glob.glob(os.path.join(directory, "beijing_air", "*.csv"))):
        with open(path, newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                moment = datetime.datetime(
                    int(row["year"]), int(row["month"]), int(row["day"]), int(row["hour"]),
                    tzinfo=zone)
                values = {f: float(row[f]) for f in AIR_FIELDS if row[f] not in ("", "NA")}
                if row["wd"] not in ("", "NA"):
                    values["wd"] = row["wd"]
                rows.add(row["station"], utc_second(moment), values)
    return rows


def read_load(directory):
    """US Eastern time. An hour that comes twice is its first instant unless the row before it has
    reached that already; an hour that never comes is shifted forward: both as Python's fold=0."""
    import zoneinfo

    zone = zoneinfo.ZoneInfo("America/New_York")
    rows = Rows("load", "area", ["load"])
    before = None
    with open(os.path.join(directory, "pjm_load", "AEP_hourly.csv"), newline="") as file:
        for row in csv.DictReader(file):
            local = datetime.datetime.strptime(row["datetime"], "%m/%d/%Y %H:%M")
            first = local.replace(tzinfo=zone, fold=0).astimezone(UTC)
            second = local.replace(tzinfo=zone, fold=1).astimezone(UTC)
            chosen = second if before is not None and first <= before < second else first
            before = chosen
            rows.add("AEP", utc_second(chosen), {"load": float(row["load"])})
    return rows


def read_salt(directory):
    fields = ["saltfront_daily", "saltfront7_weekly"]
    rows = Rows("salt", "estuary", fields)
    path = os.path.join(directory, "salt_front", "delaware_saltfront_daily.csv")
    with open(path, newline="") as file:
        for row in csv.DictReader(file):
            if row["datetime"] == "":
                continue
            moment = datetime.datetime.strptime(row["datetime"], "%Y-%m-%dT%H:%M:%SZ")
            values = {f: float(row[f]) for f in fields if row[f] not in ("", "NA")}
            rows.add("delaware", utc_second(moment.replace(tzinfo=UTC)), values)
    return rows


# ---- what is expected ----


def month_start(second):
    moment = datetime.datetime.fromtimestamp(second, UTC)
    return calendar.timegm((moment.year, moment.month, 1, 0, 0, 0))


def summary(numbers):
    total = math.fsum(numbers)
    return {"count": len(numbers), "sum": total, "mean": total / len(numbers),
            "min": min(numbers), "max": max(numbers)}


def grouped(rows, field, key):
    groups = {}
    for (series, second), values in rows.rows.items():
        if field in values:
            groups.setdefault(key(series, second), []).append(values[field])
    return groups


# ---- the server ----


class Server:
    def __init__(self, url, database):
        self.url, self.database = url.rstrip("/"), database

    def ask(self, statement):
        """The series of one statement, chunks joined."""
        parameters = {"db": self.database, "epoch": "s", "chunked": "true", "q": statement}
        body = urllib.parse.urlencode(parameters).encode()
        series = []
        try:
            answer = urllib.request.urlopen(self.url + "/query", data=body, timeout=300)
        except urllib.error.HTTPError as error:
            raise SystemExit(f"{statement}\n  {error.code}: {error.read().decode()}") from error
        with answer:
            for line in answer:
                document = json.loads(line)
                for result in [document] + document.get("results", []):
                    if "error" in result:
                        raise SystemExit(f"{statement}\n  {result['error']}")
                    series += result.get("series", [])
        return series


def months_between(rows):
    seconds = [second for _, second in rows.rows]
    first = datetime.datetime.fromtimestamp(month_start(min(seconds)), UTC)
    starts, year, month = [], first.year, first.month
    while calendar.timegm((year, month, 1, 0, 0, 0)) <= max(seconds):
        starts.append(calendar.timegm((year, month, 1, 0, 0, 0)))
        year, month = (year + 1, 1) if month == 12 else (year, month + 1)
    starts.append(calendar.timegm((year, month, 1, 0, 0, 0)))
    return starts


AGGREGATES = ["count", "sum", "mean", "min", "max"]


def calls(field):
    return ", ".join(f'{function}("{field}") AS {function}' for function in AGGREGATES)


def found_rows(series, key):
    found = {}
    for one in series:
        for row in one["values"]:
            values = dict(zip(one["columns"], row))
            if values.get("count"):
                found[key(one, values)] = values
    return found


class Checker:
    def __init__(self, server, months):
        self.server, self.months = server, months
        self.compared = self.wrong = 0

    def expect(self, what, expected, found, exact=True):
        self.compared += 1
        if expected == found:
            return
        if not exact and isinstance(found, (int, float)) and \
                math.isclose(expected, found, rel_tol=TOLERANCE, abs_tol=0):
            return
        self.wrong += 1
        if self.wrong <= SHOWN_MAX:
            print(f"MISMATCH {what}: expected {expected!r}, the server says {found!r}")

    def expect_groups(self, what, groups, found):
        for key in sorted(set(groups) | set(found), key=str):
            name = f"{what} {key}"
            if key not in found or key not in groups:
                self.expect(name, key in groups, key in found)
                continue
            expected = summary(groups[key])
            for function in AGGREGATES:
                self.expect(f"{function} {name}", expected[function], found[key].get(function),
                            exact=function not in ("sum", "mean"))

    def whole(self, rows, field):
        found = found_rows(self.server.ask(f'SELECT {calls(field)} FROM "{rows.name}"'),
                           lambda one, values: "all")
        self.expect_groups(f"{rows.name}.{field}", grouped(rows, field, lambda s, t: "all"), found)

    def by_series(self, rows, field):
        found = found_rows(
            self.server.ask(f'SELECT {calls(field)} FROM "{rows.name}" GROUP BY "{rows.tag}"'),
            lambda one, values: one["tags"][rows.tag])
        self.expect_groups(f"{rows.name}.{field}", grouped(rows, field, lambda s, t: s), found)

    def by_month(self, rows, field):
        starts = months_between(rows)
        if self.months == "group":
            series = self.server.ask(
                f'SELECT {calls(field)} FROM "{rows.name}" WHERE time >= {starts[0]}s '
                f'AND time < {starts[-1]}s GROUP BY time(1mo) fill(none)')
            found = found_rows(series, lambda one, values: values["time"])
        else:  # a server without calendar months: one question for each
            found = {}
            for start, end in zip(starts, starts[1:]):
                series = self.server.ask(f'SELECT {calls(field)} FROM "{rows.name}" '
                                         f'WHERE time >= {start}s AND time < {end}s')
                found.update(found_rows(series, lambda one, values, start=start: start))
        self.expect_groups(f"{rows.name}.{field} month",
                           grouped(rows, field, lambda s, t: month_start(t)), found)

    def texts(self, rows, field):
        expected = {key: len(group) for key, group in grouped(rows, field, lambda s, t: s).items()}
        found = {}
        for one in self.server.ask(
                f'SELECT count("{field}") AS count FROM "{rows.name}" GROUP BY "{rows.tag}"'):
            found[one["tags"][rows.tag]] = one["values"][0][1]
        self.expect(f"count {rows.name}.{field}", expected, found)

    def every_row(self, rows, series):
        fields = rows.fields + rows.texts
        selected = ", ".join(f'"{field}"' for field in fields)
        answer = self.server.ask(
            f'SELECT {selected} FROM "{rows.name}" WHERE "{rows.tag}" = \'{series}\'')
        found = {}
        for one in answer:
            for row in one["values"]:
                found[row[0]] = {f: v for f, v in zip(fields, row[1:]) if v is not None}
        expected = {second: values for (s, second), values in rows.rows.items() if s == series}
        self.expect(f"rows of {rows.name} {series}", len(expected), len(found))
        for second in sorted(expected):
            self.expect(f"row {rows.name} {series} {second}", expected[second], found.get(second))

    def check(self, rows):
        before = self.compared
        for field in rows.fields:
            self.whole(rows, field)
            self.by_series(rows, field)
            self.by_month(rows, field)
        for field in rows.texts:
            self.texts(rows, field)
        series = min(s for s, _ in rows.rows)
        self.every_row(rows, series)
        values = sum(sum(1 for f in rows.fields if f in v) for v in rows.rows.values())
        print(f"{rows.name}: {len(rows.rows)} points, {values} numbers, "
              f"{self.compared - before} comparisons")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--url", default="http://127.0.0.1:8086")
    parser.add_argument("--db", default="real")
    parser.add_argument("--data", required=True, help="the folder with beijing_air/ and the others")
    parser.add_argument("--months", choices=["group", "where"], default="group",
                        help="ask months by GROUP BY time(1mo), or one WHERE for each")
    parser.add_argument("--only", choices=["air", "load", "salt"], action="append")
    options = parser.parse_args()

    checker = Checker(Server(options.url, options.db), options.months)
    for name, read in [("air", read_air), ("load", read_load), ("salt", read_salt)]:
        if options.only and name not in options.only:
            continue
        try:
            rows = read(options.data)
        except (ImportError, FileNotFoundError, KeyError) as error:
            if name != "load" or isinstance(error, FileNotFoundError):
                raise
            print(f"load: skipped, Python has no time zones here ({error})")
            continue
        if not rows.rows:
            raise SystemExit(f"{name}: no rows in {options.data}")
        checker.check(rows)
    if checker.wrong > SHOWN_MAX:
        print(f"... and {checker.wrong - SHOWN_MAX} more")
    print(f"{checker.compared} comparisons, {checker.wrong} mismatches")
    return 1 if checker.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
